/* Task Bench on StarPU: the slots are data handles, and how the tasks access them orders them. */
#include "taskbench.h"

#include <starpu.h>

static const struct tb_run *current;
static starpu_data_handle_t *handles;

/* StarPU passes the pointers of the buffers; they are the slots, which tb_task finds by itself as well. */
static void body(void *buffers[], void *arg) {
    uint64_t task = (uint64_t)(uintptr_t)arg;
    (void)buffers;
    tb_task(current, (uint32_t)(task >> 32), (uint32_t)task);
}

static struct starpu_codelet codelet = {
    .cpu_funcs = { body },
    .nbuffers = STARPU_VARIABLE_NBUFFERS,
    .name = "point",
};

static void create(const struct tb_run *run, uint32_t t, uint32_t p) {
    const uint32_t *froms;
    uint32_t i, count = tb_told(run, t, p, &froms);
    struct starpu_task *task = starpu_task_create();
    starpu_data_handle_t *of = task->handles;
    enum starpu_data_access_mode *modes = task->modes;
    task->cl = &codelet;
    task->cl_arg = (void *)(uintptr_t)((uint64_t)t << 32 | p);
    task->nbuffers = (int)count + 1;
    if (count + 1 > STARPU_NMAXBUFS) {
        /* StarPU frees both with the task. */
        of = task->dyn_handles = malloc((count + 1) * sizeof *of);
        modes = task->dyn_modes = malloc((count + 1) * sizeof *modes);
    }
    for (i = 0; i < count; i++) {
        of[i] = handles[(size_t)((t - 1) % run->fields) * run->graph.width + froms[i]];
        modes[i] = STARPU_R;
    }
    of[count] = handles[(size_t)(t % run->fields) * run->graph.width + p];
    modes[count] = STARPU_W;
    if (starpu_task_submit(task)) tb_die("StarPU refused a task", "");
}

static double run_once(const struct tb_run *run) {
    size_t i, slots = (size_t)run->fields * run->graph.width;
    uint32_t t, p, first, end;
    double begun, took;
    current = run;
    handles = tb_alloc(slots * sizeof *handles);
    for (i = 0; i < slots; i++)
        starpu_variable_data_register(&handles[i], STARPU_MAIN_RAM, (uintptr_t)&run->slots[i], sizeof(uint64_t));
    begun = tb_now();
    for (t = 0; t < run->graph.steps; t++) {
        tb_points(&run->graph, t, &first, &end);
        for (p = first; p < end; p++) create(run, t, p);
    }
    starpu_task_wait_for_all();
    took = tb_now() - begun;
    for (i = 0; i < slots; i++) starpu_data_unregister(handles[i]);
    free(handles);
    return took;
}

int main(int argc, char **argv) {
    struct tb_asked asked = tb_parse(argc, argv);
    struct starpu_conf conf;
    starpu_conf_init(&conf);
    conf.ncpus = (int)asked.workers;
    conf.ncuda = conf.nopencl = 0;
    if (!getenv("STARPU_SCHED")) conf.sched_policy_name = "lws";
    if (starpu_init(&conf)) tb_die("StarPU does not start", "");
    tb_measure(&asked, 0, run_once);
    starpu_shutdown();
    return 0;
}
