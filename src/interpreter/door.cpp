#include "interpreter/door.h"

#include <algorithm>
#include <new>
#include <utility>

namespace allcores::interpreter {

door::~door() {
    for (visitor* each : visitors_) delete each;
    for (visitor* each : orphans_) delete each;
}

void door::open(PyInterpreterState* state, std::function<void()> poke) {
    id_ = PyInterpreterState_GetID(state);
    state_.store(state, std::memory_order_relaxed);
    {
        const std::lock_guard lock(mutex_);
        poke_ = std::move(poke);
    }
    gate_.fetch_and(~closed_bit, std::memory_order_release);
}

void door::tell_empty() noexcept {
    {
        const std::lock_guard lock(mutex_);
    }
    changed_.notify_all();
}

bool door::wait_empty(std::chrono::steady_clock::time_point until) {
    std::unique_lock lock(mutex_);
    const auto over = [&] { return is_empty() || is_abandoned(); };
    if (until == std::chrono::steady_clock::time_point::max()) {
        changed_.wait(lock, over);
    } else {
        changed_.wait_until(lock, until, over);
    }
    return is_empty();
}

bool door::wait_all_left(std::chrono::steady_clock::time_point until) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, until, [&] { return is_empty(); });
}

void door::abandon() noexcept {
    close();
    abandoned_.store(true, std::memory_order_release);
    tell_empty();
}

door::visitor* door::admit() {
    auto made = std::make_unique<visitor>(PyThreadState_New(state()));
    if (made->state == nullptr) throw std::bad_alloc();
    const std::lock_guard lock(mutex_);
    visitors_.push_back(made.get());
    return made.release();
}

// A thread that ends can't wait for a GIL that may never be free: who is there next deletes the
// state.
void door::give_back(visitor* gone) noexcept {
    std::function<void()> poke;
    {
        const std::lock_guard lock(mutex_);
        if (std::erase(visitors_, gone) != 1) return;
        orphans_.push_back(gone);
        untidy_.store(true, std::memory_order_relaxed);
        poke = poke_;
    }
    if (poke) poke();
}

bool door::knows(PyThreadState* state) {
    const auto is_it = [&](const visitor* each) { return each->state == state; };
    const std::lock_guard lock(mutex_);
    return std::any_of(visitors_.begin(), visitors_.end(), is_it) ||
           std::any_of(orphans_.begin(), orphans_.end(), is_it);
}

void door::leave_behind(leaving* what) noexcept {
    std::function<void()> poke;
    bool is_first = false;
    {
        const std::lock_guard lock(mutex_);
        if (!ended_) {
            is_first = left_ == nullptr;
            what->next = std::exchange(left_, what);
            untidy_.store(true, std::memory_order_relaxed);
            if (is_first) poke = poke_;
            what = nullptr;
        }
    }
    if (what != nullptr) what->let_go(false);
    if (poke) poke();
}

void door::delete_states(std::vector<visitor*>& gone) noexcept {
    for (visitor* each : gone) {
        PyThreadState_Clear(each->state);
        PyThreadState_Delete(each->state);
        delete each;
    }
    gone.clear();
}

void door::tidy() noexcept {
    std::vector<visitor*> orphans;
    leaving* left;
    {
        const std::lock_guard lock(mutex_);
        orphans.swap(orphans_);
        left = std::exchange(left_, nullptr);
        untidy_.store(false, std::memory_order_relaxed);
    }
    delete_states(orphans);
    while (left != nullptr) {
        leaving* const next = left->next;
        left->let_go(true);
        left = next;
    }
}

void door::interrupt_visitors() noexcept {
    std::vector<unsigned long> threads;
    {
        const std::lock_guard lock(mutex_);
        for (const visitor* each : visitors_) {
            if (each->inside > 0) threads.push_back(each->state->thread_id);
        }
    }
    for (const unsigned long thread : threads) PyThreadState_SetAsyncExc(thread, PyExc_SystemExit);
}

void door::end() noexcept {
    // (What goes may share something else on its way.)
    while (const ending_function what = std::exchange(before_end_, nullptr)) what(*this);
    for (;;) {
        tidy();
        const std::lock_guard lock(mutex_);
        if (left_ != nullptr) continue;
        ended_ = true;
        poke_ = {};
        break;
    }
    std::vector<visitor*> states;
    {
        const std::lock_guard lock(mutex_);
        states.swap(visitors_);
        states.insert(states.end(), orphans_.begin(), orphans_.end());
        orphans_.clear();
    }
    delete_states(states);
    state_.store(nullptr, std::memory_order_relaxed);
}

void door::forget_after_fork() noexcept {
    gate_.store(closed_bit, std::memory_order_relaxed);
    state_.store(nullptr, std::memory_order_relaxed);
    ended_ = true;
    poke_ = {};
    visitors_.clear();
    orphans_.clear();
    left_ = nullptr;
}

// CPython has deleted the states of the threads that are not here.
void door::reopen_after_fork() {
    if (is_open()) gate_.store(0, std::memory_order_relaxed);
    visitors_.clear();
    orphans_.clear();
}

}  // namespace allcores::interpreter
