// Runs a few threads in every order in which they can meet, to find the one that goes wrong.
//
// The threads are fibers of one OS thread. Where one does something that others can notice
// (concurrency/sync.h beside this file), the scheduler decides who goes on. It tries, one execution
// after another, all decisions with at most some preemptions (a thread that could go on has to
// wait), since nearly all bugs need one or two (as CHESS found); or, for more threads, decisions at
// random by priorities that change at a few moments (as PCT does). It finds: a check that fails,
// everybody asleep (a lost wake-up is that), no end in sight, the use of what is no more.
//
// What it does not find: faults of memory orders. Everything happens in one order here, and
// ThreadSanitizer looks for the others while real threads run the other tests.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <typeindex>
#include <vector>

namespace model {

struct options {
    int preemptions = 2;       // at most, in the search of everything
    unsigned random_runs = 0;  // not 0: so many by chance instead
    unsigned changes = 3;      // of those: the moments at which a priority changes
    bool spins = false;        // whether threads look before they sleep
    std::size_t most_runs = 2'000'000;
    std::size_t most_steps = 3000;  // in one execution; more: it has no end
};

// What operations do wrong, for the tests of the tests.
struct faults {
    bool sleeps_without_looking = false;  // sleep() does not compare the word
    bool claims_in_two_steps = false;     // compare_exchange: others come between its halves
    bool locks_let_everybody_in = false;
};

struct result {
    bool failed = false;
    std::string what;       // what went wrong, and each step that led there
    std::size_t runs = 0;   // executions that were tried
    bool complete = false;  // these were all that there are, within the preemptions
};

// One execution: what its scenario puts together.
class execution {
 public:
    void thread(std::function<void()> body) { threads_.push_back(std::move(body)); }
    // When all threads have ended.
    void afterwards(std::function<void()> check) { afterwards_ = std::move(check); }

 private:
    friend class scheduler;
    std::vector<std::function<void()>> threads_;
    std::function<void()> afterwards_;
};

// `scenario` is called for each execution, and makes everything anew. The state that its threads
// share has to be held by their functions.
result explore(const std::function<void(execution&)>& scenario, const options& how = {},
               const faults& seeded = {});

// In threads and afterwards. Where it is false the execution ends here, and the search.
void check(bool is_right, const char* what);

// For concurrency/sync.h. Everything below does nothing special outside of a thread of the model,
// where only one thread is.
namespace operation {

// Others may come now, before this happens. `object` is only a name.
void before(const char* what, const void* object);
void saw(std::uint64_t value);  // what came of it, for the story
// Goes on when *is_free.
void wait_for(const bool* is_free);
// False when it was not woken, but its time is over.
bool sleep(const void* word, bool has_limit);
void wake(const void* word);
void yield();
std::size_t choose(std::size_t count);  // one of so many
std::int64_t now();                     // of a clock that moves when it is looked at, in µs
bool spins();
const faults& seeded();
[[noreturn]] void fail(const char* what);
std::shared_ptr<void>& own(std::type_index of);  // of the current thread

}  // namespace operation
}  // namespace model
