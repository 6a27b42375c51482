/* Task Bench on a oneTBB flow graph of continue nodes with explicit edges. Every task has a slot of its own, so that no
 * edge but those of the pattern is needed. Built with TB_PREBUILT the graph is made before the clock starts; else making it
 * is measured, as with runtimes that are told task by task. Taking it apart is not. */
#include "taskbench.h"

#include <deque>
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <vector>

namespace flow = oneapi::tbb::flow;
using Node = flow::continue_node<flow::continue_msg>;

static double run_once(const struct tb_run *run) {
    double begun = tb_now();
    flow::graph graph;
    std::deque<Node> nodes;
    std::vector<Node *> before(run->graph.width), now(run->graph.width), sources;
    for (uint32_t t = 0; t < run->graph.steps; t++) {
        uint32_t first, end;
        tb_points(&run->graph, t, &first, &end);
        for (uint32_t p = first; p < end; p++) {
            Node &node = nodes.emplace_back(graph, [run, t, p](const flow::continue_msg &) { tb_task(run, t, p); });
            const uint32_t *froms;
            uint32_t count = tb_told(run, t, p, &froms);
            for (uint32_t i = 0; i < count; i++) flow::make_edge(*before[froms[i]], node);
            if (!count) sources.push_back(&node);
            now[p] = &node;
        }
        before.swap(now);
    }
#ifdef TB_PREBUILT
    begun = tb_now();
#endif
    for (Node *source : sources) source->try_put(flow::continue_msg());
    graph.wait_for_all();
    return tb_now() - begun;
}

int main(int argc, char **argv) {
    struct tb_asked asked = tb_parse(argc, argv);
    oneapi::tbb::global_control control(oneapi::tbb::global_control::max_allowed_parallelism, asked.workers);
    tb_measure(&asked, 1, run_once);
    return 0;
}
