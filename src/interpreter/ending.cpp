// How an interpreter ends: by itself on its own thread, or, when it does not, by being frozen from
// outside.
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "data/guarded.h"
#include "interpreter/event_loops.h"
#include "interpreter/image_set.h"
#include "interpreter/interpreter.h"
#include "interpreter/process.h"
#include "interpreter/runtime_list.h"

namespace allcores::interpreter {
namespace {

using data::ref;
using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds daemon_patience{
    1000};  // for an interpreter's own daemon threads to heed SystemExit
constexpr milliseconds freeze_patience{100};  // for taking the GIL of one that is abandoned
constexpr milliseconds delete_patience{
    10000};  // for CPython's deletion, which is under way and can't be stopped

// _Py_THREAD_DETACHED and _Py_THREAD_SHUTTING_DOWN of CPython's pycore_pystate.h. A thread whose
// state says the latter hangs for ever where it would attach: what Py_FinalizeEx does to daemon
// threads.
constexpr int thread_detached = 0;
constexpr int thread_shutting_down = 3;

constexpr milliseconds visitor_patience{
    80};  // for those inside an interpreter that is abandoned to go (less than freeze_patience)

// With the GIL of `mine`: no other thread of the interpreter runs Python again; those that come
// through `spared` do for now.
void stop_other_threads(PyThreadState* mine, door* spared = nullptr) noexcept {
    for (PyThreadState* state = PyInterpreterState_ThreadHead(mine->interp); state != nullptr;
         state = PyThreadState_Next(state)) {
        int expected = thread_detached;
        if (state != mine && (spared == nullptr || !spared->knows(state)))
            std::atomic_ref(state->state).compare_exchange_strong(expected, thread_shutting_down);
    }
}

bool start_thread(void* (*body)(void*), void* argument) noexcept {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    pthread_t thread;
    const int error = pthread_create(&thread, &attributes, body, argument);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

struct interrupt_request {
    std::shared_ptr<interpreter> target;
    std::uint64_t job;
    interruption what;
};

}  // namespace

// The end on the interpreter's own thread, which is detached.
void interpreter::finish() noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (phase_ == phase::abandoned) return;
    }
    PyEval_RestoreThread(own_);
    // 1. Jobs that were dropped tell those who wait for them.
    {
        std::deque<task> dropped;
        const std::lock_guard lock(mutex_);
        dropped.swap(queue_);
    }
    // 2. Python's own end: standard streams, threads that are not daemons, atexit.
    wind_down_python();
    // 3. Daemon threads: Py_EndInterpreter aborts the process when there is another thread state.
    const bool daemons_ended = end_daemon_threads();
    // 4. Heap types, and what hangs on them, go only after some passes.
    for (int pass = 0; pass < 3 && PyGC_Collect() > 0; pass++) {
    }
    // 5. Nobody may be in here, or come in.
    door_->close();
    process& all = process::get();
    {
        bool mine = false;
        for (bool is_empty = false; !is_empty;) {
            PyEval_SaveThread();
            static_cast<void>(door_->wait_empty(clock::time_point::max()));
            all.structure.lock_shared();
            {
                const std::lock_guard lock(mutex_);
                if (phase_ == phase::abandoned) {
                    all.structure.unlock_shared();
                    return;
                }
            }
            PyEval_RestoreThread(own_);
            const std::lock_guard lock(mutex_);
            // (An interrupter may have come in.)
            is_empty = door_->is_empty() || phase_ != phase::ending;
            if (is_empty && phase_ == phase::ending && daemons_ended) {
                phase_ = phase::deleting;
                mine = true;
            }
            if (!is_empty) all.structure.unlock_shared();
        }
        std::shared_ptr<image_life> left;
        if (mine) {
            left = images_left();
            // 6. What is shared with others, and the states that other threads keep for coming
            // back.
            door_->end();
            if (alone()) {
                // 7. The interpreter itself.
                Py_EndInterpreter(own_);
            } else {
                mine = false;
            }
        }
        if (!mine) {
            all.structure.unlock_shared();
            remain_abandoned();
            return;
        }
        {
            const std::lock_guard lock(mutex_);
            // Given up after all, by abandon(), which has done the rest.
            if (phase_ == phase::abandoned) return;
            phase_ = phase::ended;
        }
        // 8. Its images and its memory go when this thread has ended.
        if (left != nullptr) {
            const std::lock_guard lock(all.mutex);
            is_joined_ = true;
            all.ended.push_back({id_, std::move(left), pthread_self()});
        }
        all.remove(this);
        all.structure.unlock_shared();
    }
    ended_.set();
}

// What its images have going on, if they can ever be unloaded; null: there is nothing to unload.
// With the GIL.
std::shared_ptr<image_life> interpreter::images_left() const noexcept {
    const image_set* set = image_set::current();
    if (set == nullptr || set->life()->is_empty()) return nullptr;
    // What the standard library has passed from here to another interpreter may still be looked at
    // there: memoryviews, without a copy.
    for (const char* name : {"_interpqueues", "_interpchannels", "concurrent.interpreters"}) {
        if (PyDict_GetItemString(PyImport_GetModuleDict(), name) != nullptr) return nullptr;
    }
    return set->life();
}

void interpreter::wind_down_python() noexcept {
    try {
        ref bootstrap = data::checked(PyImport_ImportModule("allcores._bootstrap"));
        data::checked(PyObject_CallMethod(bootstrap.get(), "finish", nullptr));
    } catch (...) {
        PyErr_Clear();
    }
}

// Asks the other threads to end, and waits a little. False when some did not.
bool interpreter::end_daemon_threads() noexcept {
    const auto deadline = clock::now() + daemon_patience;
    std::vector<unsigned long> asked;
    for (;;) {
        std::vector<unsigned long> others;
        for (PyThreadState* state = PyInterpreterState_ThreadHead(state_); state != nullptr;
             state = PyThreadState_Next(state)) {
            if (state != own_ && !door_->knows(state)) others.push_back(state->thread_id);
        }
        if (others.empty()) return true;
        if (clock::now() >= deadline) return false;
        for (const unsigned long thread : others) {
            if (std::find(asked.begin(), asked.end(), thread) != asked.end()) continue;
            PyThreadState_SetAsyncExc(thread, PyExc_SystemExit);
            asked.push_back(thread);
            wake_event_loops(state_);
        }
        PyEval_SaveThread();
        std::this_thread::sleep_for(milliseconds(1));
        PyEval_RestoreThread(own_);
    }
}

bool interpreter::alone() const noexcept {
    return PyInterpreterState_ThreadHead(state_) == own_ && PyThreadState_Next(own_) == nullptr;
}

// Those who wait for the job that runs, and for those in the queue, learn that there is no result.
void interpreter::tell_waiting() noexcept {
    std::deque<task> dropped;
    std::function<void()> running;
    {
        const std::lock_guard lock(mutex_);
        dropped.swap(queue_);
        running.swap(when_abandoned_);
    }
    if (running) running();
}

// Out of CPython's list and ours, with no fork in between, which would put it back.
void interpreter::forget_abandoned() noexcept {
    process& all = process::get();
    const std::shared_lock no_fork_now(all.structure);
    unlink_from_runtime(state_);
    all.remove(this);
}

// On its own thread, attached: it can't end (a thread of its own sleeps in C, say), so nobody runs
// in it any more. The GIL is never let go.
void interpreter::remain_abandoned() noexcept {
    door_->abandon();
    stop_other_threads(own_);
    {
        const std::lock_guard lock(mutex_);
        phase_ = phase::abandoned;
    }
    forget_abandoned();
    ended_.set();
}

bool interpreter::begin_ending(bool drop_queue) noexcept {
    std::deque<task> dropped;
    bool begun = false;
    {
        const std::lock_guard lock(mutex_);
        if (drop_queue) dropped.swap(queue_);
        if (phase_ == phase::running || phase_ == phase::starting) {
            phase_ = phase::ending;
            begun = true;
        }
    }
    door_->begin_ending();
    wake_.notify_all();
    return begun;
}

void interpreter::retire() noexcept {
    if (generation_ == process::get().generation) begin_ending(false);
}

interpreter::ending interpreter::wait_for_end(milliseconds at_most, const gives_up& giving_up,
                                              bool& gave_up) {
    const auto deadline = clock::now() + at_most;
    for (;;) {
        const auto left = std::max(clock::duration::zero(), deadline - clock::now());
        switch (ended_.wait(left)) {
            case completion::outcome::done: {
                const std::lock_guard lock(mutex_);
                return phase_ == phase::ended ? ending::ended : ending::abandoned;
            }
            case completion::outcome::timed_out:
                return ending::abandoned;
            case completion::outcome::signalled:
                if (giving_up && giving_up()) {
                    gave_up = true;
                    return ending::abandoned;
                }
        }
    }
}

interpreter::ending interpreter::destroy(milliseconds patience, milliseconds grace,
                                         const gives_up& giving_up) {
    if (generation_ != process::get().generation) return ending::ended;
    if (current() == this)
        throw std::logic_error("an interpreter can't be destroyed from inside itself");
    bool gave_up = false;
    const auto is_over = [&] {
        const std::lock_guard lock(mutex_);
        return phase_ == phase::ended || phase_ == phase::abandoned;
    };
    begin_ending(false);
    static_cast<void>(wait_for_end(patience, giving_up, gave_up));
    if (!gave_up && !is_over()) {
        begin_ending(true);
        // Twice: one that hits a weak reference's callback or a __del__ is lost.
        for (int i = 0; i < 2 && !gave_up && !is_over(); ++i) {
            interrupt(interruption::system_exit);
            static_cast<void>(wait_for_end(grace / 2, giving_up, gave_up));
        }
    }
    const ending how = abandon();  // if it is not over
    process::get().release_ended();
    return how;
}

void interpreter::interrupt(interruption what) {
    const std::uint64_t job = running_.load();
    if ((job == 0 && door_->is_empty()) || !enter_to_interrupt()) return;
    auto request = std::make_unique<interrupt_request>(shared_from_this(), job, what);
    if (start_thread(interrupter_main, request.get())) {
        static_cast<void>(request.release());
    } else {
        door_->leave();
    }
}

// Also while the end waits for those inside: it is not deleted meanwhile.
bool interpreter::enter_to_interrupt() noexcept {
    if (generation_ != process::get().generation) return false;
    const std::lock_guard lock(mutex_);
    if (phase_ != phase::running && phase_ != phase::ending) return false;
    door_->enter_closed();
    return true;
}

// A thread of its own, as taking the GIL may take for ever.
void* interpreter::interrupter_main(void* argument) noexcept {
    const std::unique_ptr<interrupt_request> request(static_cast<interrupt_request*>(argument));
    interpreter& target = *request->target;
    PyThreadState* state = PyThreadState_New(target.state_);
    if (state != nullptr) {
        PyEval_RestoreThread(state);
        // The end of an interpreter is that of those inside it, too.
        if (request->what == interruption::system_exit) target.door_->interrupt_visitors();
        if (request->job != 0 && target.running_.load() == request->job) {
            PyThreadState_SetAsyncExc(target.own_->thread_id,
                                      request->what == interruption::keyboard_interrupt
                                          ? PyExc_KeyboardInterrupt
                                          : PyExc_SystemExit);
        }
        wake_event_loops(target.state_);
        PyThreadState_Clear(state);
        PyThreadState_DeleteCurrent();
    }
    target.door_->leave();
    return nullptr;
}

// Takes an interpreter that does not end out of the world: its GIL is taken and kept, its threads
// hang where they would take it, and CPython does not find it in its list.
interpreter::ending interpreter::abandon() noexcept {
    bool deleting = false;
    {
        const std::lock_guard lock(mutex_);
        if (phase_ == phase::ended) return ending::ended;
        if (phase_ == phase::abandoned) return ending::abandoned;
        deleting = phase_ == phase::deleting;
        // 1. From here on its own thread does not delete it any more.
        if (!deleting) phase_ = phase::abandoned;
    }
    if (deleting) {
        bool ignored = false;
        if (wait_for_end(delete_patience, {}, ignored) == ending::ended) return ending::ended;
        {
            const std::lock_guard lock(mutex_);
            if (phase_ == phase::ended) return ending::ended;
            if (phase_ == phase::abandoned) return ending::abandoned;
            phase_ = phase::abandoned;
        }
        // In its name: it never comes to do so, and no fork may wait for it.
        process::get().structure.unlock_shared();
    }
    door_->abandon();
    wake_.notify_all();
    tell_waiting();
    // 2. Take the GIL, on a thread of its own: code in C may hold it for ever. Then it is taken
    // when it is let go.
    if (state_ != nullptr) {
        auto kept = std::make_unique<std::shared_ptr<interpreter>>(shared_from_this());
        if (start_thread(freezer_main, kept.get())) {
            static_cast<void>(kept.release());
            static_cast<void>(frozen_.wait(freeze_patience));
        }
        // 3. CPython forgets it.
        forget_abandoned();
    }
    ended_.set();
    return ending::abandoned;
}

void* interpreter::freezer_main(void* argument) noexcept {
    const std::unique_ptr<std::shared_ptr<interpreter>> kept(
        static_cast<std::shared_ptr<interpreter>*>(argument));
    interpreter& target = **kept;
    PyThreadState* state = PyThreadState_New(target.state_);
    if (state == nullptr) return nullptr;
    PyEval_RestoreThread(state);
    if (!target.door_->is_empty()) {
        // Threads of other interpreters are inside, or wait for the GIL: they get the chance to go.
        stop_other_threads(state, target.door_.get());
        target.door_->interrupt_visitors();
        PyEval_SaveThread();
        static_cast<void>(target.door_->wait_all_left(clock::now() + visitor_patience));
        PyEval_RestoreThread(state);
    }
    stop_other_threads(state);
    target.frozen_.set();
    return nullptr;  // with the GIL, for ever
}

}  // namespace allcores::interpreter
