#include "interpreter/main_thread.h"

#include <Python.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "data/guarded.h"
#include "interpreter/process.h"

namespace allcores::interpreter {
namespace {

std::atomic<int> signal_number{0};

int run_pending(void*) {
    run_main_thread_jobs();
    return 0;
}

}  // namespace

void set_main_thread_signal(int number) noexcept {
    signal_number.store(number);
}

bool is_main_thread() noexcept {
    return getpid() == gettid();
}

bool post_to_main_thread(std::move_only_function<void()> job) {
    process& all = process::get();
    {
        const std::lock_guard lock(all.mutex);
        if (!all.main->is_open()) return false;
        all.main_jobs.push_back(std::move(job));
    }
    // (Both: a handler that was replaced by the program does not come here.)
    Py_AddPendingCall(run_pending, nullptr);
    if (const int number = signal_number.load(); number != 0)
        syscall(SYS_tgkill, getpid(), getpid(), number);
    return true;
}

void run_main_thread_jobs() noexcept {
    process& all = process::get();
    for (;;) {
        std::move_only_function<void()> job;
        {
            const std::lock_guard lock(all.mutex);
            if (all.main_jobs.empty()) return;
            job = std::move(all.main_jobs.front());
            all.main_jobs.pop_front();
        }
        try {
            job();
        } catch (...) {
            data::set_python_error();
            PyErr_WriteUnraisable(nullptr);
        }
    }
}

}  // namespace allcores::interpreter
