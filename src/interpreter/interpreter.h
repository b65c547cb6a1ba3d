// One interpreter with a GIL of its own, and the OS thread it lives on.
//
// The thread is a raw one that never had a state of the main interpreter, with a stack of 8 MiB
// (OpenBLAS overflows 2 MiB). It makes the interpreter, runs the jobs posted to it in order, and
// ends the interpreter: all on one thread, which CPython's bookkeeping likes best. Other OS threads
// enter with `attached` (interpreter/attach.h).
//
// Any thread may call anything here; what must be called without a GIL ("detached") says so.
#pragma once
#include <Python.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "interpreter/completion.h"
#include "interpreter/door.h"

namespace allcores::interpreter {

struct settings {
    std::string name;  // empty: one is made up
    std::size_t stack_size = 8 << 20;
    std::string inherited =
        {};  // from inherit(); empty: what it was when the main interpreter imported allcores
};

// What a new interpreter takes over from the current one (sys.path, sys.argv and the like), as
// bytes. With a GIL held. Throws data::python_error.
std::string inherit();

struct creation_error : std::runtime_error {
    explicit creation_error(const std::string& what, bool out_of_memory = false)
        : std::runtime_error(what), out_of_memory(out_of_memory) {}
    bool out_of_memory;
};

class image_life;

// What interrupt() raises.
enum class interruption { keyboard_interrupt, system_exit };

class interpreter : public std::enable_shared_from_this<interpreter> {
    struct key {};

 public:
    // What became of an interpreter. abandoned: it would not end; it never runs Python again, and
    // its memory stays.
    enum class ending { ended, abandoned };
    using milliseconds = std::chrono::milliseconds;
    // Asked (detached) when a signal handler ran on a waiting thread; true: wait no longer.
    using gives_up = std::function<bool()>;

    // Makes the thread and the interpreter, and returns when it is ready for jobs. Detached;
    // several at once is fine. Throws creation_error, and leaves nothing behind then.
    static std::shared_ptr<interpreter> create(settings wanted);
    // The interpreter whose own thread this is; null on every other thread.
    static interpreter* current() noexcept;

    std::int64_t id() const noexcept { return id_; }
    const std::string& name() const noexcept { return name_; }
    // Others come in there; it may outlive this.
    door& entrance() const noexcept { return *door_; }
    // Takes jobs: neither ended nor ending, and not on the other side of a fork.
    bool is_alive() const;

    // Queues a job for the interpreter's own thread, run with its GIL, in order. False when it is
    // ending. When the interpreter ends before the job's turn, the job is destroyed unrun, on any
    // thread and without a GIL, so what it holds must be plain data. When the interpreter is
    // abandoned while the job runs, the job is never over; `when_abandoned` is called then,
    // likewise.
    [[nodiscard]] bool post(std::move_only_function<void()> job,
                            std::function<void()> when_abandoned = {});
    // Raises an exception in the Python code of the job that runs now, soon; nothing when idle.
    // Returns at once, and never waits for the GIL. Code that is in C sees it when it is back in
    // Python.
    void interrupt(interruption what);
    // To be called by a job, with the GIL, when what may be interrupted is over: takes back what is
    // under way.
    void settle() noexcept;

    // Ends it, in these steps: no new jobs; those queued get `patience` to finish; what still runs
    // then is interrupted and gets `grace`; what ignores that is abandoned. Detached, and not from
    // its own thread (logic_error).
    ending destroy(milliseconds patience, milliseconds grace = milliseconds(1000),
                   const gives_up& giving_up = {});
    // Asks it to end when its queue is empty, and does not wait.
    void retire() noexcept;

    interpreter(key, settings wanted);
    interpreter(const interpreter&) = delete;
    interpreter& operator=(const interpreter&) = delete;

 private:
    friend struct process;

    // starting -> running -> ending -> deleting -> ended, or -> abandoned from each before
    // deleting.
    enum class phase { starting, running, ending, deleting, ended, abandoned };

    struct task {
        std::move_only_function<void()> job;
        std::function<void()> when_abandoned;
    };

    // On its own thread (interpreter.cpp, ending.cpp).
    static void* thread_main(void* self) noexcept;
    bool start();
    void boot();
    void serve();
    void run(task& next) noexcept;
    bool take_job(task& next) noexcept;
    void finish() noexcept;
    void wind_down_python() noexcept;
    bool end_daemon_threads() noexcept;
    std::shared_ptr<image_life> images_left() const noexcept;
    bool alone() const noexcept;
    void remain_abandoned() noexcept;

    // On others' threads (ending.cpp).
    bool begin_ending(bool drop_queue) noexcept;
    ending wait_for_end(milliseconds at_most, const gives_up& giving_up, bool& gave_up);
    ending abandon() noexcept;
    void tell_waiting() noexcept;
    void forget_abandoned() noexcept;
    static void* freezer_main(void* self) noexcept;
    static void* interrupter_main(void* request) noexcept;

    bool enter_to_interrupt() noexcept;
    void poke() noexcept;

    const settings settings_;
    const std::string name_;
    const std::shared_ptr<door> door_;
    const unsigned generation_;  // of the process: differs on the other side of a fork

    // Written by the own thread before `started_` is set, then constant.
    std::int64_t id_ = -1;
    PyInterpreterState* state_ = nullptr;
    PyThreadState* own_ = nullptr;
    std::string failure_;  // why starting failed; empty: it did not
    bool out_of_memory_ = false;

    completion started_;
    completion ended_;   // ended or abandoned
    completion frozen_;  // the freezer has the GIL

    // The job that runs: its number, 0 when none. Written by the own thread with the GIL; read by
    // interrupters, once without it to know what is meant and again with it to see that it still
    // runs.
    std::atomic<std::uint64_t> running_{0};
    std::uint64_t jobs_started_ = 0;  // own thread only
    bool is_joined_ = false;          // own thread only: by process::release_ended()

    mutable std::mutex mutex_;  // guards what follows; never held while waiting for a GIL
    std::condition_variable wake_;
    phase phase_ = phase::starting;
    std::deque<task> queue_;
    std::function<void()> when_abandoned_;  // of the job that runs
    bool poked_ = false;                    // the door wants to be tidied
};

}  // namespace allcores::interpreter
