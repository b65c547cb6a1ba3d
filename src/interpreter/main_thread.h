// Jobs for the process's main thread itself, with the main interpreter's GIL.
//
// They run where CPython lets signal handlers run: between two bytecodes, and in the waits that a
// signal interrupts (time.sleep, locks, select, our own). For these the main thread is sent a
// signal whose Python handler, installed by allcores._sharing, runs the jobs. Where it could not be
// installed they are pending calls, which run between bytecodes only.
#pragma once
#include <functional>

namespace allcores::interpreter {

// Any thread. False: the main interpreter is ending, or has ended; the job is dropped. A job that
// is dropped later is destroyed unrun, on the main thread.
[[nodiscard]] bool post_to_main_thread(std::move_only_function<void()> job);

// The signal that has the handler; 0: none.
void set_main_thread_signal(int number) noexcept;

// On the main thread.
void run_main_thread_jobs() noexcept;

bool is_main_thread() noexcept;

}  // namespace allcores::interpreter
