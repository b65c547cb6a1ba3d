// What the scheduler does next in an execution, and in which order executions are tried: all
// within a number of preemptions, depth first, or some at random.
#pragma once
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace model {

struct move {
    unsigned thread;
    bool is_preemption = false;  // another could go on, or its time limit be waited for
    bool is_timeout = false;
};

class decisions {
 public:
    // Without `random_runs` all.
    decisions(int preemptions, unsigned random_runs, unsigned changes)
        : preemptions_(preemptions), random_runs_(random_runs), changes_(changes) {}

    void begin();
    // Whether there is another execution to try.
    bool next();

    std::size_t pick(const std::vector<move>& moves);
    std::size_t choose(std::size_t count);
    void yielded(unsigned thread) { priority_of(thread) = --lowest_; }

 private:
    struct branch {
        std::size_t chosen;
        std::size_t count;
    };

    std::size_t take(std::size_t count);
    std::size_t pick_random(const std::vector<move>& moves);
    std::int64_t& priority_of(unsigned thread);

    const int preemptions_;
    const unsigned random_runs_;
    const unsigned changes_;

    // All: the decisions of this execution, of which the first are those of the one before.
    std::vector<branch> path_;
    std::size_t depth_ = 0;
    int preempted_ = 0;

    // At random. The numbers are the same in every run of the tests.
    unsigned run_ = 0;
    std::mt19937_64 random_{1};
    std::vector<std::int64_t> priorities_;
    std::int64_t lowest_ = 0;
    std::vector<std::size_t> changes_at_;
    std::size_t steps_ = 0;
    std::size_t longest_ = 100;
};

}  // namespace model
