// Calls functions of orchestration libraries so that no exception leaves them: what is thrown becomes a text.
#include <cstddef>
#include <cstdio>
#include <exception>

namespace {

struct Config {
    int expected_arg_count;
};

enum Outcome { RETURNED = 0, THREW = 1 };

template <typename Call>
int guarded(char *text, std::size_t size, Call call) noexcept {
    try {
        call();
        return RETURNED;
    } catch (const std::exception &thrown) {
        std::snprintf(text, size, "%s", thrown.what());
    } catch (const char *thrown) {
        std::snprintf(text, size, "%s", thrown);
    } catch (...) {
        std::snprintf(text, size, "something that is no std::exception");
    }
    return THREW;
}

}  // namespace

extern "C" int prewire_shim_call_entry(void (*entry)(const void *), const void *args, char *text, std::size_t size) {
    return guarded(text, size, [&] { entry(args); });
}

extern "C" int prewire_shim_call_config(
    Config (*config)(const void *), const void *args, int *count, char *text, std::size_t size
) {
    return guarded(text, size, [&] { *count = config(args).expected_arg_count; });
}
