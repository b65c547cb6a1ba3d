#include "interpreter/attach.h"

#include <algorithm>
#include <new>
#include <vector>

#include "interpreter/interpreter.h"
#include "interpreter/process.h"

namespace allcores::interpreter {

// This thread's states in interpreters that are not its own, by the interpreter's id, which is
// never used twice.
struct thread_cache {
    struct entry {
        std::int64_t id;
        std::weak_ptr<interpreter> owner;
        PyThreadState* state;
    };
    std::vector<entry> entries;

    // The state for an interpreter that is being visited (so it is there, and so is what is cached
    // for it).
    PyThreadState* find_or_make(const std::shared_ptr<interpreter>& target) {
        for (const entry& known : entries) {
            if (known.id == target->id()) return known.state;
        }
        std::erase_if(entries, [](const entry& known) {
            const auto owner = known.owner.lock();
            return owner == nullptr || !owner->is_alive();
        });
        entries.reserve(entries.size() + 1);
        PyThreadState* state = PyThreadState_New(target->state_);
        if (state == nullptr) throw std::bad_alloc();
        target->adopt(state);
        entries.push_back({target->id(), target, state});
        return state;
    }

    ~thread_cache() {
        for (const entry& known : entries) {
            if (const auto owner = known.owner.lock()) owner->give_back(known.state);
        }
    }
};

namespace {
thread_local thread_cache cache;
}

void forget_attachments() noexcept {
    cache.entries.clear();
}

// The end of an interpreter waits until nobody visits it.
bool interpreter::enter() noexcept {
    if (generation_ != process::get().generation) return false;
    const std::lock_guard lock(mutex_);
    if (closed_to_visitors_ || (phase_ != phase::running && phase_ != phase::ending)) return false;
    visitors_++;
    return true;
}

void interpreter::leave() noexcept {
    {
        const std::lock_guard lock(mutex_);
        visitors_--;
    }
    wake_.notify_all();
}

void interpreter::adopt(PyThreadState* state) {
    const std::lock_guard lock(mutex_);
    cached_.push_back(state);
}

// A thread that ends can't wait for a GIL that may never be free: the interpreter's own thread
// deletes the state when it comes by.
void interpreter::give_back(PyThreadState* state) noexcept {
    const std::lock_guard lock(mutex_);
    if (std::erase(cached_, state) == 1) orphans_.push_back(state);
}

attached::attached(std::shared_ptr<interpreter> target) : target_(std::move(target)) {
    if (!target_->enter())
        throw interpreter_gone("the interpreter \"" + target_->name() + "\" has ended");
    try {
        before_ = PyThreadState_GetUnchecked();
        if (before_ != nullptr && before_->interp == target_->state_) {
            nested_ = true;
            return;
        }
        // A thread that has no state of its own gets one for this scope only: what PyGILState_*
        // remembers of the thread would otherwise point to a state that the interpreter deletes
        // when it ends.
        PyThreadState* bound = PyGILState_GetThisThreadState();
        PyThreadState* state;
        if (bound == nullptr) {
            state = temporary_ = PyThreadState_New(target_->state_);
            if (state == nullptr) throw std::bad_alloc();
        } else if (bound->interp == target_->state_) {
            state = bound;
        } else {
            state = cache.find_or_make(target_);
        }
        PyThreadState_Swap(state);
    } catch (...) {
        target_->leave();
        throw;
    }
}

attached::~attached() {
    if (temporary_ != nullptr) {
        PyThreadState_Clear(temporary_);
        PyThreadState_DeleteCurrent();
    } else if (!nested_) {
        PyThreadState_Swap(before_);
    }
    target_->leave();
}

}  // namespace allcores::interpreter
