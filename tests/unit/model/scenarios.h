// What the model's tests of channels share: to search a scenario for faults, and blocking calls.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "../concurrency/channels.h"
#include "concurrency/sync.h"
#include "scheduler.h"

namespace model {

using namespace allcores::concurrency::testing;
using allcores::concurrency::action;
using allcores::concurrency::parker;
using allcores::concurrency::status;
namespace sync = allcores::concurrency::sync;

using scenario = std::function<void(execution&)>;

// AddressSanitizer looks at each step, and makes each of them a hundred times slower: with it less
// is tried, and what is used after its end is found in that.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool is_slow = true;
#else
constexpr bool is_slow = false;
#endif

// Nothing goes wrong, whatever is tried, and all was.
inline void expect_right(const scenario& what, int preemptions = 2, bool spins = false) {
    if (is_slow) --preemptions;
    const result found = explore(what, {.preemptions = preemptions, .spins = spins});
    EXPECT_FALSE(found.failed) << found.what;
    EXPECT_TRUE(found.failed || found.complete) << "more than " << found.runs << " executions";
    ::testing::Test::RecordProperty("executions", static_cast<int>(found.runs));
}

// For more threads than can be tried out.
inline void expect_right_at_random(const scenario& what, unsigned runs = 3000) {
    if (is_slow) runs /= 30;
    for (const bool spins : {false, true}) {
        const result found = explore(what, {.random_runs = runs, .spins = spins});
        EXPECT_FALSE(found.failed) << found.what;
    }
}

// A wait with a time limit, as the bindings do it. Whether it has happened; if not, it never will.
inline bool wait_a_while(int_waiter& waiting) {
    const auto begun = sync::now();
    const auto until = begun + std::chrono::milliseconds(1);
    const std::shared_ptr<parker>& own = parker::mine();
    if (own->look(begun, [&] { return waiting.finished(); })) return true;
    if (!waiting.ask_for_ring(own)) return true;
    for (;;) {
        own->park(until);
        if (waiting.finished()) return true;
        if (sync::now() >= until) return !waiting.cancel();
    }
}

// What was popped, or the status below 0; `nothing` when the time was over.
inline int pop_a_while(int_channel& where) {
    int_node only[] = {{&where, action::pop}};
    int_waiter waiting(only);
    if (!waiting.begin() && !wait_a_while(waiting)) return nothing;
    return value_of(waiting.result(), waiting.item());
}

}  // namespace model
