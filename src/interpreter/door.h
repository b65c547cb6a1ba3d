// The door of an interpreter, ours or the main one: who is inside from elsewhere, with which thread
// states, and what others have left for it to let go of.
//
// Why apart from `interpreter`: the main interpreter has one too; and what refers to an interpreter
// only to call into it (proxies of shared objects, threads that have been inside) may outlive it.
// A visit costs two atomic operations here; making thread states, the end and what is left behind
// take the mutex, which is never held while waiting for a GIL. Any thread may call anything; what
// needs the interpreter's GIL says so.
#pragma once
#include <Python.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace allcores::interpreter {

class door : public std::enable_shared_from_this<door> {
 public:
    // Something that can be let go of only with the interpreter's GIL.
    struct leaving {
        leaving* next = nullptr;
        // at_home: with the GIL; else the interpreter has ended, and only the memory is freed.
        virtual void let_go(bool at_home) noexcept = 0;

     protected:
        ~leaving() = default;
    };

    // The state of a thread that comes from elsewhere, kept for its next visit. `inside` counts its
    // visits that are under way; guarded by the GIL.
    struct visitor {
        PyThreadState* state;
        int inside = 0;
    };

    explicit door(std::string name) : name_(std::move(name)) {}
    door(const door&) = delete;
    door& operator=(const door&) = delete;
    ~door();

    const std::string& name() const noexcept { return name_; }
    std::int64_t id() const noexcept { return id_; }
    // Null before it is opened, and once the interpreter has ended.
    PyInterpreterState* state() const noexcept { return state_.load(std::memory_order_relaxed); }
    bool is_current() const noexcept {
        PyThreadState* now = PyThreadState_GetUnchecked();
        return now != nullptr && now->interp == state();
    }

    // Lets visitors in. `poke`, called by any thread and never with a GIL that matters, asks
    // somebody to tidy() soon.
    void open(PyInterpreterState* state, std::function<void()> poke);
    bool is_open() const noexcept {
        return (gate_.load(std::memory_order_relaxed) & closed_bit) == 0;
    }

    // Whether a visitor may come in; then the interpreter does not end before leave().
    bool enter() noexcept {
        if ((gate_.fetch_add(1, std::memory_order_acquire) & closed_bit) == 0) return true;
        leave();
        return false;
    }
    void leave() noexcept {
        if (gate_.fetch_sub(1, std::memory_order_release) == closed_bit + 1) tell_empty();
    }
    // For who sees to it by other means that the interpreter is not deleted yet.
    void enter_closed() noexcept { gate_.fetch_add(1, std::memory_order_acquire); }

    // Nobody comes in any more.
    void close() noexcept { gate_.fetch_or(closed_bit, std::memory_order_acq_rel); }
    bool is_empty() const noexcept {
        return (gate_.load(std::memory_order_acquire) & ~closed_bit) == 0;
    }
    // Detached. Whether nobody is inside any more; false: abandon() or the time came before that.
    bool wait_empty(std::chrono::steady_clock::time_point until);
    // The same, whether it is abandoned or not.
    bool wait_all_left(std::chrono::steady_clock::time_point until);

    // The interpreter has begun to end: what an interrupted visit meets is its end.
    void begin_ending() noexcept { ending_.store(true, std::memory_order_relaxed); }
    bool is_ending() const noexcept { return ending_.load(std::memory_order_relaxed); }
    // It never runs Python again: who gets its GIL goes away at once. Closes it.
    void abandon() noexcept;
    bool is_abandoned() const noexcept { return abandoned_.load(std::memory_order_acquire); }

    // Of the calling thread, which is no visitor yet. Throws std::bad_alloc.
    visitor* admit();
    // By a thread that ends.
    void give_back(visitor* gone) noexcept;
    bool knows(PyThreadState* state);

    // To be let go of where it belongs, as soon as somebody is there.
    void leave_behind(leaving* what) noexcept;
    bool is_tidy() const noexcept { return !untidy_.load(std::memory_order_relaxed); }
    // With the GIL: lets go of what was left, and of the states of threads that ended.
    void tidy() noexcept;

    // With the GIL: raises SystemExit in what visitors run.
    void interrupt_visitors() noexcept;

    // With the GIL, closed and empty: all states are deleted, and nothing can be left behind any
    // more. Before that what set_before_end() says is done.
    void end() noexcept;
    using ending_function = void (*)(door& ended) noexcept;
    // With the GIL. What is to be done once at the end, before states are deleted.
    void set_before_end(ending_function what) noexcept { before_end_ = what; }

    // A list that belongs to whoever shares objects (data/shared_object.cpp); guarded by the GIL.
    void* shared_objects = nullptr;

    // In the child of a fork: of another interpreter, which is not there; of the main one, where
    // only the calling thread is left. Nobody else runs.
    void forget_after_fork() noexcept;
    void reopen_after_fork();
    // Around a fork, so that nobody is in the middle of something.
    std::mutex& mutex() noexcept { return mutex_; }

 private:
    static constexpr std::uint64_t closed_bit = std::uint64_t{1} << 63;

    void tell_empty() noexcept;
    void delete_states(std::vector<visitor*>& gone) noexcept;

    const std::string name_;
    std::int64_t id_ = -1;  // set by open(), then constant
    std::atomic<PyInterpreterState*> state_{nullptr};

    // Visitors inside, and whether it is closed. enter()'s and enter_closed()'s increments
    // synchronize with close(), leave()'s decrement with is_empty().
    std::atomic<std::uint64_t> gate_{closed_bit};
    std::atomic<bool> ending_{false};
    std::atomic<bool> abandoned_{false};
    std::atomic<bool> untidy_{false};  // something waits for tidy()
    ending_function before_end_ = nullptr;

    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::function<void()> poke_;
    std::vector<visitor*> visitors_;
    std::vector<visitor*> orphans_;  // of threads that ended
    leaving* left_ = nullptr;
    bool ended_ = false;
};

}  // namespace allcores::interpreter
