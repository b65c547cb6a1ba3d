#include "interpreter/process.h"

#include <malloc.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>

#include "interpreter/attach.h"
#include "interpreter/image_life.h"
#include "interpreter/interpreter_heap.h"
#include "interpreter/runtime_list.h"

namespace allcores::interpreter {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds exit_grace{
    1000};  // for busy interpreters to heed SystemExit at the end of the process
constexpr milliseconds creation_grace{5000};  // for interpreters that are being made then
constexpr milliseconds fork_patience{
    10000};  // for interpreters that are being made or deleted when os.fork() is called

std::atomic<process*> instance{nullptr};

}  // namespace

process& process::get() noexcept {
    if (process* existing = instance.load(std::memory_order_acquire)) return *existing;
    static process* first = new process;
    process* expected = nullptr;
    instance.compare_exchange_strong(expected, first);
    return *instance.load();
}

bool process::is_closing() {
    const std::lock_guard lock(mutex);
    return closing;
}

void process::remove(const interpreter* gone) noexcept {
    std::shared_ptr<interpreter> kept;  // its last owner may be this list
    const std::lock_guard lock(mutex);
    const auto found = std::find_if(interpreters.begin(), interpreters.end(),
                                    [&](const auto& known) { return known.get() == gone; });
    if (found == interpreters.end()) return;
    kept = std::move(*found);
    interpreters.erase(found);
}

void process::release_ended() noexcept {
    std::vector<ended_interpreter> taken;
    {
        const std::lock_guard lock(mutex);
        if (closing) return;  // all of it goes with the process
        taken.swap(ended);
    }
    bool released = false;
    std::erase_if(taken, [&](ended_interpreter& each) {
        if (each.thread) {
            // It is over but for the destructors of its variables. If these hang, all of it stays.
            timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += 1;
            if (pthread_timedjoin_np(*each.thread, nullptr, &until) != 0) {
                pthread_detach(*each.thread);
                return true;
            }
            each.thread.reset();
        }
        const auto rest = each.images->unload();
        if (rest == image_life::rest::not_yet) return false;
        if (rest == image_life::rest::unloaded) {
            release_heap(each.id);
            released = true;
        }
        return true;
    });
    // malloc keeps what was freed in the heaps that it has for threads.
    if (released) malloc_trim(0);
    if (taken.empty()) return;
    const std::lock_guard lock(mutex);
    ended.insert(ended.end(), taken.begin(), taken.end());
}

void process::end_all(const interpreter::gives_up& giving_up) {
    // 1. No new ones; those that are being made get ready first.
    std::vector<std::shared_ptr<interpreter>> all;
    {
        std::unique_lock lock(mutex);
        closing = true;
        changed.wait_for(lock, creation_grace, [&] { return creating == 0; });
        all = interpreters;
    }
    // 2. All are told to end; what waits in their queues is dropped, what runs is interrupted.
    for (const auto& each : all) {
        each->begin_ending(true);
        each->interrupt(interruption::system_exit);
    }
    // 3. One second for all of them together, or until the next Ctrl-C.
    bool gave_up = false;
    const auto deadline = std::chrono::steady_clock::now() + exit_grace;
    for (const auto& each : all) {
        if (gave_up) break;
        const auto left =
            std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
        static_cast<void>(each->wait_for_end(std::max(milliseconds(0), left), giving_up, gave_up));
    }
    // 4. What is left is taken out of CPython's sight.
    for (const auto& each : all) static_cast<void>(each->abandon());
}

void process::end_main() {
    main->begin_ending();
    main->close();
    std::deque<std::move_only_function<void()>> dropped;
    {
        const std::lock_guard lock(mutex);
        dropped.swap(main_jobs);
    }
    dropped.clear();  // those who wait for them learn that
    // A visitor that does not come out in time hangs where it would take the GIL, as CPython's own
    // threads do.
    if (!main->is_empty()) {
        main->interrupt_visitors();
        const detached elsewhere;
        static_cast<void>(main->wait_all_left(std::chrono::steady_clock::now() + exit_grace));
    }
    if (main->is_empty()) main->end();
}

std::shared_ptr<door> process::current_door() {
    PyInterpreterState* const here = PyInterpreterState_Get();
    if (main->state() == here) return main;
    thread_local std::weak_ptr<door> last;
    if (auto known = last.lock(); known != nullptr && known->state() == here) return known;
    const std::lock_guard lock(mutex);
    for (const auto& each : interpreters) {
        if (each->state_ != here) continue;
        last = each->door_;
        return each->door_;
    }
    return nullptr;
}

// 1. No interpreter is being made or deleted from here to the end of the fork. 2. None but the main
// one, and those that are not ours, is in CPython's list: the child would clear them, with their
// threads missing.
void process::before_fork() {
    process& all = get();
    {
        const detached elsewhere;
        // os.fork() can't be refused here (exceptions of its hooks are only printed), and a hang is
        // worse than what is left to go wrong when a deletion is stuck: that it comes to its end in
        // the very moment of the fork.
        static_cast<void>(all.structure.lock_for(fork_patience));
    }
    all.main->mutex().lock();
    const std::lock_guard lock(all.mutex);
    all.unlinked.clear();
    for (const auto& each : all.interpreters) {
        if (unlink_from_runtime(each->state_)) all.unlinked.push_back(each->state_);
    }
}

// 3. Back into the list.
void process::after_fork_in_parent() noexcept {
    process& all = get();
    for (PyInterpreterState* each : all.unlinked) relink_to_runtime(each);
    all.main->mutex().unlock();
    all.structure.unlock();
}

// 3. The interpreters of the parent are memory that nobody looks at: their objects stay in the old
// `process`, whose locks may be held by threads that are not here.
void process::after_fork_in_child() noexcept {
    process& old = get();
    auto* fresh = new process;
    fresh->generation = old.generation + 1;
    fresh->inherited = old.inherited;
    for (const auto& each : old.interpreters) each->door_->forget_after_fork();
    old.main->reopen_after_fork();
    old.main->mutex().unlock();
    fresh->main = old.main;
    instance.store(fresh, std::memory_order_release);
    forget_attachments();
}

}  // namespace allcores::interpreter
