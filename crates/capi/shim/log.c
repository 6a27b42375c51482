/* The entries of the operation table that take a format and whatever belongs to it: each makes a text of them and hands
 * it to the one who was registered; what is logged, only if its level is let through. Nothing here is kept but the three
 * addresses. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TEXT = 1024 };

typedef int (*log_gate)(int level);
typedef void (*log_sink)(int level, const char *func, const char *text);
typedef void (*fatal_sink)(void *runtime, int32_t code, const char *func, const char *text);

static _Atomic(log_gate) let_through;
static _Atomic(log_sink) to_log;
static _Atomic(fatal_sink) to_fatal;

void prewire_shim_register(log_gate gate, log_sink log, fatal_sink fatal) {
    atomic_store(&let_through, gate);
    atomic_store(&to_log, log);
    atomic_store(&to_fatal, fatal);
}

static void format_text(char *text, const char *format, va_list rest) {
    if (format == NULL || vsnprintf(text, TEXT, format, rest) < 0) text[0] = '\0';
}

#define LOG_ENTRY(name, level)                                \
    void prewire_shim_##name(const char *func, const char *format, ...) { \
        char text[TEXT];                                      \
        va_list rest;                                         \
        log_gate gate = atomic_load(&let_through);            \
        log_sink sink = atomic_load(&to_log);                 \
        if (gate == NULL || sink == NULL || !gate(level)) return; \
        va_start(rest, format);                               \
        format_text(text, format, rest);                      \
        va_end(rest);                                         \
        sink(level, func, text);                              \
    }

LOG_ENTRY(log_error, 0)
LOG_ENTRY(log_warn, 1)
LOG_ENTRY(log_timing, 2)
LOG_ENTRY(log_info, 3)
LOG_ENTRY(log_debug, 4)

void prewire_shim_report_fatal(void *runtime, int32_t code, const char *func, const char *format, ...) {
    char text[TEXT];
    va_list rest;
    fatal_sink sink = atomic_load(&to_fatal);
    va_start(rest, format);
    format_text(text, format, rest);
    va_end(rest);
    if (sink != NULL) sink(runtime, code, func, text);
}
