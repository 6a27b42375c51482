/* Prints the graphs of taskbench.h, for the test that compares them with those of benches/src/taskbench: a line for each
 * task of every pattern with 1 to WIDTH points and 1 to STEPS timesteps. */
#include "taskbench.h"

int main(int argc, char **argv) {
    uint32_t most_width = argc > 1 ? (uint32_t)strtoul(argv[1], 0, 10) : 0;
    uint32_t most_steps = argc > 2 ? (uint32_t)strtoul(argv[2], 0, 10) : 0;
    uint32_t width, steps, t, p, i, first, end;
    int pattern;
    for (pattern = 0; pattern < TB_PATTERNS; pattern++) {
        for (width = 1; width <= most_width; width++) {
            for (steps = 1; steps <= most_steps; steps++) {
                struct tb_graph graph = tb_graph_new((enum tb_pattern)pattern, width, steps);
                for (t = 0; t < steps; t++) {
                    tb_points(&graph, t, &first, &end);
                    for (p = first; p < end; p++) {
                        const uint32_t *froms;
                        uint32_t count = tb_dependencies(&graph, t, p, &froms);
                        printf("%s %u %u: %u %u:", tb_names[pattern], width, steps, t, p);
                        for (i = 0; i < count; i++) printf(" %u", froms[i]);
                        printf("\n");
                    }
                }
                tb_graph_free(&graph);
            }
        }
    }
    return 0;
}
