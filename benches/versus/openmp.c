/* Task Bench on OpenMP tasks: one thread creates them, and `depend` on the slots orders them. */
#include "taskbench.h"

#include <omp.h>

/* Creates the task of a point. Up to five inputs are listed, as a program would; more take an iterator. */
static void create(const struct tb_run *run, uint32_t t, uint32_t p) {
    const uint32_t *froms;
    uint32_t count = tb_told(run, t, p, &froms);
    struct tb_slot *out = tb_slot(run, t, p);
    /* Only clauses of pragmas name it. */
    __attribute__((unused)) struct tb_slot *in = t ? tb_slot(run, t - 1, 0) : out;
    switch (count) {
    case 0:
#pragma omp task firstprivate(run, t, p) depend(out : out[0])
        tb_task(run, t, p);
        break;
    case 1:
#pragma omp task firstprivate(run, t, p) depend(in : in[froms[0]]) depend(out : out[0])
        tb_task(run, t, p);
        break;
    case 2:
#pragma omp task firstprivate(run, t, p) depend(in : in[froms[0]], in[froms[1]]) depend(out : out[0])
        tb_task(run, t, p);
        break;
    case 3:
#pragma omp task firstprivate(run, t, p) depend(in : in[froms[0]], in[froms[1]], in[froms[2]]) depend(out : out[0])
        tb_task(run, t, p);
        break;
    case 4:
#pragma omp task firstprivate(run, t, p) depend(in : in[froms[0]], in[froms[1]], in[froms[2]], in[froms[3]]) \
    depend(out : out[0])
        tb_task(run, t, p);
        break;
    case 5:
#pragma omp task firstprivate(run, t, p) \
    depend(in : in[froms[0]], in[froms[1]], in[froms[2]], in[froms[3]], in[froms[4]]) depend(out : out[0])
        tb_task(run, t, p);
        break;
    default:
#pragma omp task firstprivate(run, t, p) depend(iterator(uint32_t i = 0 : count), in : in[froms[i]]) depend(out : out[0])
        tb_task(run, t, p);
    }
}

static double run_once(const struct tb_run *run) {
    double begun = 0;
#pragma omp parallel
#pragma omp single
    {
        uint32_t t, p, first, end;
        begun = tb_now();
        for (t = 0; t < run->graph.steps; t++) {
            tb_points(&run->graph, t, &first, &end);
            for (p = first; p < end; p++) create(run, t, p);
        }
    }
    return tb_now() - begun;
}

int main(int argc, char **argv) {
    struct tb_asked asked = tb_parse(argc, argv);
    omp_set_num_threads((int)asked.workers);
    tb_measure(&asked, 0, run_once);
    return 0;
}
