/* Task Bench for programs in C and C++: patterns, graphs, stamps, kernels, and how a program is asked and answers.
 *
 * The definitions are those of benches/src/taskbench: patterns in pattern.rs, graphs and stamps in graph.rs, kernels in
 * kernel.rs, questions and answers in protocol.rs. A test compares the graphs that the two make. */
#ifndef PREWIRE_TASKBENCH_H
#define PREWIRE_TASKBENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TB_RADIX = 5, TB_PERIOD = 3, TB_WARM = 200, TB_SIZES = 256 };

enum tb_pattern {
    TB_TRIVIAL, TB_NO_COMM, TB_STENCIL_1D, TB_STENCIL_1D_PERIODIC, TB_DOM, TB_TREE, TB_FFT, TB_ALL_TO_ALL, TB_NEAREST,
    TB_SPREAD, TB_RANDOM_NEAREST, TB_PATTERNS
};

static const char *const tb_names[TB_PATTERNS] = {
    "trivial", "no_comm", "stencil_1d", "stencil_1d_periodic", "dom", "tree", "fft", "all_to_all", "nearest", "spread",
    "random_nearest"
};

enum tb_kernel { TB_EMPTY, TB_COMPUTE, TB_MEMORY, TB_KERNELS };

static const char *const tb_kernels[TB_KERNELS] = { "empty", "compute", "memory" };

static inline void tb_die(const char *what, const char *which) {
    fprintf(stderr, "%s: %s\n", what, which);
    exit(2);
}

static inline void *tb_alloc(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory) tb_die("no memory", "");
    return memset(memory, 0, (bytes + 63) / 64 * 64);
}

static inline uint32_t tb_min(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint32_t tb_less(uint32_t a, uint32_t b) { return a > b ? a - b : 0; }

/* ---- patterns ---- */

static inline uint32_t tb_sets(enum tb_pattern pattern, uint32_t width) {
    uint32_t sets = 0;
    if (pattern == TB_SPREAD || pattern == TB_RANDOM_NEAREST) return TB_PERIOD;
    if (pattern != TB_FFT) return 1;
    while ((1u << sets) < width) sets++;
    return sets ? sets : 1;
}

static inline uint32_t tb_set(enum tb_pattern pattern, uint32_t width, uint32_t timestep) {
    uint32_t sets = tb_sets(pattern, width);
    return pattern == TB_FFT ? (timestep + sets - 1) % sets : timestep % sets;
}

/* The points of a timestep: from *first to before *end. */
static inline void tb_pattern_points(enum tb_pattern pattern, uint32_t width, uint32_t steps, uint32_t timestep,
                                     uint32_t *first, uint32_t *end) {
    *first = 0;
    *end = width;
    if (pattern == TB_DOM) {
        *first = tb_less(timestep + width, steps);
        *end = *first + tb_min(width, tb_min(timestep + 1, steps - timestep));
    } else if (pattern == TB_TREE) {
        *end = tb_min(width, 1u << tb_min(timestep, 31));
    }
}

static inline int tb_drawn(uint32_t set, uint32_t from, uint32_t to) {
    uint64_t bits = (uint64_t)set << 48 ^ (uint64_t)from << 24 ^ (uint64_t)to;
    bits += 0x9e3779b97f4a7c15u;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
    return (bits ^ bits >> 31) >> 32 < (1u << 30);
}

/* The points that `point` needs, distinct and ascending, marked in `needed`. */
static inline void tb_reach(enum tb_pattern pattern, uint32_t width, uint32_t set, uint32_t point, char *needed) {
    uint32_t i, last = width - 1, low = point, high = point;
    memset(needed, 0, width);
    switch (pattern) {
    case TB_TRIVIAL: return;
    case TB_NO_COMM: break;
    case TB_STENCIL_1D: low = tb_less(point, 1), high = tb_min(point + 1, last); break;
    case TB_STENCIL_1D_PERIODIC:
        needed[(point + last) % width] = needed[point] = needed[(point + 1) % width] = 1;
        return;
    case TB_DOM: low = tb_less(point, 1); break;
    case TB_TREE: low = high = point / 2; break;
    case TB_FFT:
        needed[point] = 1;
        if (point >= 1u << set) needed[point - (1u << set)] = 1;
        if (point + (1u << set) < width) needed[point + (1u << set)] = 1;
        return;
    case TB_ALL_TO_ALL: low = 0, high = last; break;
    case TB_NEAREST:
    case TB_RANDOM_NEAREST: low = tb_less(point, TB_RADIX / 2), high = tb_min(point + (TB_RADIX - 1) / 2, last); break;
    case TB_SPREAD:
        for (i = 0; i < TB_RADIX; i++) needed[(point + i * width / TB_RADIX + (i ? set : 0)) % width] = 1;
        return;
    default: tb_die("no such pattern", "");
    }
    for (i = low; i <= high; i++) {
        needed[i] = pattern != TB_RANDOM_NEAREST || i == point || tb_drawn(set, i, point);
    }
}

/* ---- graphs ---- */

struct tb_graph {
    enum tb_pattern pattern;
    uint32_t width, steps, sets;
    uint32_t *starts, *reach;
};

static inline struct tb_graph tb_graph_new(enum tb_pattern pattern, uint32_t width, uint32_t steps) {
    struct tb_graph graph;
    uint32_t set, point, from, count = 0;
    char *needed = (char *)tb_alloc(width);
    graph.pattern = pattern, graph.width = width, graph.steps = steps, graph.sets = tb_sets(pattern, width);
    graph.starts = (uint32_t *)tb_alloc(((size_t)graph.sets * width + 1) * sizeof(uint32_t));
    graph.reach = (uint32_t *)tb_alloc((size_t)graph.sets * width * width * sizeof(uint32_t));
    for (set = 0; set < graph.sets; set++) {
        for (point = 0; point < width; point++) {
            tb_reach(pattern, width, set, point, needed);
            for (from = 0; from < width; from++) {
                if (needed[from]) graph.reach[count++] = from;
            }
            graph.starts[set * width + point + 1] = count;
        }
    }
    free(needed);
    return graph;
}

static inline void tb_graph_free(struct tb_graph *graph) {
    free(graph->starts);
    free(graph->reach);
}

static inline void tb_points(const struct tb_graph *graph, uint32_t timestep, uint32_t *first, uint32_t *end) {
    tb_pattern_points(graph->pattern, graph->width, graph->steps, timestep, first, end);
}

/* The points of the timestep before that a task needs, distinct and ascending; how many. */
static inline uint32_t tb_dependencies(const struct tb_graph *graph, uint32_t timestep, uint32_t point,
                                       const uint32_t **froms) {
    uint32_t set, at, from, to, first, end;
    *froms = graph->reach;
    if (timestep == 0) return 0;
    set = graph->sets == 1 ? 0 : tb_set(graph->pattern, graph->width, timestep);
    at = set * graph->width + point;
    from = graph->starts[at], to = graph->starts[at + 1];
    tb_points(graph, timestep - 1, &first, &end);
    while (from < to && graph->reach[from] < first) from++;
    while (from < to && graph->reach[to - 1] >= end) to--;
    *froms = graph->reach + from;
    return to - from;
}

static inline uint64_t tb_tasks(const struct tb_graph *graph) {
    uint64_t tasks = 0;
    uint32_t timestep, first, end;
    for (timestep = 0; timestep < graph->steps; timestep++) {
        tb_points(graph, timestep, &first, &end);
        tasks += end - first;
    }
    return tasks;
}

/* ---- kernels ---- */

enum { TB_SCRATCH = 4 << 20 >> 3, TB_LINE = 8, TB_LINES = 16 };

static __attribute__((noinline)) void tb_compute(uint64_t iterations) {
    double a = 1, b = 2, c = 3, d = 4;
    for (; iterations; iterations--) {
        a = a * 0.999999 + 0.000001;
        b = b * 0.999999 + 0.000001;
        c = c * 0.999999 + 0.000001;
        d = d * 0.999999 + 0.000001;
    }
    __asm__ volatile("" : : "x"(a), "x"(b), "x"(c), "x"(d));
}

static __attribute__((noinline)) void tb_walk(uint64_t iterations) {
    static __thread uint64_t *words;
    static __thread size_t at;
    size_t i;
    if (!words) words = (uint64_t *)tb_alloc((size_t)TB_SCRATCH * 8);
    for (; iterations; iterations--) {
        for (i = 0; i < (size_t)TB_LINES * TB_LINE; i += TB_LINE) words[at + i] += 1;
        at = (at + TB_LINES * TB_LINE) % TB_SCRATCH;
    }
    __asm__ volatile("" : : "r"(words) : "memory");
}

static inline void tb_work(enum tb_kernel kernel, uint64_t iterations) {
    if (kernel == TB_COMPUTE) tb_compute(iterations);
    if (kernel == TB_MEMORY) tb_walk(iterations);
}

/* ---- runs ---- */

/* A slot, on a cache line of its own. */
struct tb_slot {
    uint64_t stamp;
    char pad[56];
};

/* One run of a graph. */
struct tb_run {
    struct tb_graph graph;
    uint32_t fields, number;
    enum tb_kernel kernel;
    uint64_t iterations;
    /* The task whose first dependence the runtime is not told of, to show that the check finds it; timestep 0 is none. */
    uint32_t omit_timestep, omit_point;
    /* By field, then by point. */
    struct tb_slot *slots;
};

static inline struct tb_slot *tb_slot(const struct tb_run *run, uint32_t timestep, uint32_t point) {
    return run->slots + (size_t)(timestep % run->fields) * run->graph.width + point;
}

/* The dependences that the runtime is told of: what the task needs, but for what is left out on purpose. */
static inline uint32_t tb_told(const struct tb_run *run, uint32_t timestep, uint32_t point, const uint32_t **froms) {
    uint32_t count = tb_dependencies(&run->graph, timestep, point, froms);
    if (timestep && timestep == run->omit_timestep && point == run->omit_point && count) {
        *froms += 1;
        count -= 1;
    }
    return count;
}

static inline uint64_t tb_stamp(uint32_t number, uint32_t timestep, uint32_t point) {
    return (uint64_t)(number & 0xffff) << 48 | (uint64_t)(timestep + 1) << 24 | point;
}

static inline double tb_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The task of a point: checks that its inputs are the right ones, works, and leaves its stamp. */
static inline void tb_task(const struct tb_run *run, uint32_t timestep, uint32_t point) {
    const uint32_t *froms;
    uint32_t i, count = tb_dependencies(&run->graph, timestep, point, &froms);
    for (i = 0; i < count; i++) {
        uint64_t seen = *(volatile uint64_t *)&tb_slot(run, timestep - 1, froms[i])->stamp;
        if (seen != tb_stamp(run->number, timestep - 1, froms[i])) {
            fprintf(stderr, "the task of timestep %u, point %u finds %llx in input %u, where point %u belongs\n", timestep,
                    point, (unsigned long long)seen, i, froms[i]);
            _Exit(3);
        }
    }
    tb_work(run->kernel, run->iterations);
    if (run->omit_timestep && timestep + 1 == run->omit_timestep &&
        tb_dependencies(&run->graph, run->omit_timestep, run->omit_point, &froms) && froms[0] == point) {
        /* Gives the task that does not wait for this one the time to show it: that one ends the process. */
        double end = tb_now() + 5;
        while (tb_now() < end) {}
    }
    tb_slot(run, timestep, point)->stamp = tb_stamp(run->number, timestep, point);
}

/* ---- questions and answers ---- */

struct tb_asked {
    enum tb_pattern pattern;
    enum tb_kernel kernel;
    uint32_t width, fields, workers, omit_timestep, omit_point, count;
    uint64_t iterations[TB_SIZES];
    uint32_t steps[TB_SIZES];
};

static inline int tb_find(const char *name, const char *const *names, int count) {
    int i;
    for (i = 0; i < count; i++) {
        if (!strcmp(name, names[i])) return i;
    }
    tb_die("there is no pattern or kernel of this name", name);
    return 0;
}

static inline struct tb_asked tb_parse(int argc, char **argv) {
    struct tb_asked asked;
    int i;
    memset(&asked, 0, sizeof asked);
    asked.width = 16, asked.fields = 2, asked.workers = 2;
    for (i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value) tb_die("not key=value", argv[i]);
        *value++ = 0;
        if (!strcmp(argv[i], "pattern")) asked.pattern = (enum tb_pattern)tb_find(value, tb_names, TB_PATTERNS);
        else if (!strcmp(argv[i], "kernel")) asked.kernel = (enum tb_kernel)tb_find(value, tb_kernels, TB_KERNELS);
        else if (!strcmp(argv[i], "width")) asked.width = (uint32_t)strtoul(value, 0, 10);
        else if (!strcmp(argv[i], "fields")) asked.fields = (uint32_t)strtoul(value, 0, 10);
        else if (!strcmp(argv[i], "workers")) asked.workers = (uint32_t)strtoul(value, 0, 10);
        else if (!strcmp(argv[i], "omit")) {
            if (sscanf(value, "%u:%u", &asked.omit_timestep, &asked.omit_point) != 2) tb_die("not timestep:point", value);
        } else if (!strcmp(argv[i], "sizes")) {
            char *size;
            for (size = strtok(value, ","); size; size = strtok(0, ",")) {
                unsigned long long iterations;
                if (asked.count == TB_SIZES) tb_die("too many sizes", size);
                if (sscanf(size, "%llux%u", &iterations, &asked.steps[asked.count]) != 2 || !asked.steps[asked.count])
                    tb_die("not ITERATIONSxSTEPS", size);
                asked.iterations[asked.count++] = iterations;
            }
        } else tb_die("there is no key", argv[i]);
    }
    if (!asked.count || !asked.width || asked.fields < 2 || !asked.workers) tb_die("a number is missing or too small", "");
    return asked;
}

/* Runs a graph once: how many seconds it took. */
typedef double (*tb_runner)(const struct tb_run *run);

/* Runs each size, once to warm up and once measured, and answers. `all_fields`: each task has a slot of its own. */
static inline void tb_measure(const struct tb_asked *asked, int all_fields, tb_runner runner) {
    uint32_t i, warm, number = 0;
    for (i = 0; i < asked->count; i++) {
        for (warm = 2; warm--;) {
            struct tb_run run;
            uint32_t steps = warm ? tb_min(asked->steps[i], TB_WARM) : asked->steps[i];
            double seconds;
            memset(&run, 0, sizeof run);
            run.graph = tb_graph_new(asked->pattern, asked->width, steps);
            run.fields = all_fields ? steps : asked->fields;
            run.number = ++number;
            run.kernel = asked->kernel, run.iterations = asked->iterations[i];
            run.omit_timestep = asked->omit_timestep, run.omit_point = asked->omit_point;
            run.slots = (struct tb_slot *)tb_alloc((size_t)run.fields * asked->width * sizeof(struct tb_slot));
            seconds = runner(&run);
            if (!warm)
                printf("%llu %llu %.9f\n", (unsigned long long)asked->iterations[i],
                       (unsigned long long)tb_tasks(&run.graph), seconds);
            free(run.slots);
            tb_graph_free(&run.graph);
        }
    }
}

#endif
