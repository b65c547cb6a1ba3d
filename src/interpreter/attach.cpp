#include "interpreter/attach.h"

#include <new>
#include <vector>

#include "interpreter/interpreter.h"
#include "interpreter/interrupts.h"

namespace allcores::interpreter {
namespace {

// This thread's states in interpreters that are not its own. What was used last comes first.
struct thread_cache {
    struct entry {
        std::shared_ptr<door> where;
        door::visitor* state;
    };
    std::vector<entry> entries;

    // The state behind a door that this thread has entered, so that what is kept for it is there.
    door::visitor* find_or_make(door& target) {
        for (entry& known : entries) {
            if (known.where.get() != &target) continue;
            if (&known != entries.data()) std::swap(known, entries.front());
            return entries.front().state;
        }
        std::erase_if(entries, [](const entry& known) { return !known.where->is_open(); });
        entries.reserve(entries.size() + 1);
        std::shared_ptr<door> kept = target.shared_from_this();
        entries.push_back({std::move(kept), target.admit()});
        return entries.back().state;
    }

    ~thread_cache() {
        for (const entry& known : entries) known.where->give_back(known.state);
    }
};

thread_local thread_cache cache;
// (Apart from the cache: a plain pointer needs no look at whether it has been made.)
thread_local const attached* innermost = nullptr;

}  // namespace

void forget_attachments() noexcept {
    cache.entries.clear();
}

attached::attached(const std::shared_ptr<interpreter>& target)
    : target_(target->entrance()), kept_(target_.shared_from_this()) {
    go_in();
}

attached::attached(door& target) : target_(target) {
    go_in();
}

void attached::go_in() {
    if (!target_.enter())
        throw interpreter_gone("the interpreter \"" + target_.name() + "\" has ended");
    try {
        PyInterpreterState* const wanted = target_.state();
        before_ = PyThreadState_GetUnchecked();
        if (before_ != nullptr && before_->interp == wanted) {
            nested_ = true;
            return;
        }
        suspended_ = before_ != nullptr ? before_ : PyGILState_GetThisThreadState();
        PyThreadState* state = nullptr;
        if (suspended_ == nullptr) {
            // A thread that has no state of its own gets one for this scope only: what PyGILState_*
            // remembers of the thread would otherwise point to a state that the interpreter deletes
            // when it ends.
            state = temporary_ = PyThreadState_New(wanted);
            if (state == nullptr) throw std::bad_alloc();
        } else if (suspended_->interp == wanted) {
            state = suspended_;
        } else {
            for (const attached* each = innermost; each != nullptr; each = each->outer_) {
                if (each->suspended_ == nullptr || each->suspended_->interp != wanted) continue;
                state = each->suspended_;
                break;
            }
            if (state == nullptr) {
                visitor_ = cache.find_or_make(target_);
                state = visitor_->state;
            }
        }
        if (before_ != nullptr && before_->interp == PyInterpreterState_Main())
            interrupts::prepare();
        PyThreadState_Swap(state);
        if (target_.is_abandoned()) [[unlikely]] {
            go_back();
            throw interpreter_gone("the interpreter \"" + target_.name() + "\" has ended");
        }
    } catch (...) {
        target_.leave();
        throw;
    }
    outer_ = innermost;
    innermost = this;
    if (visitor_ != nullptr) visitor_->inside++;
    interrupted_ = interrupts::enter(PyThreadState_GetUnchecked());
}

void attached::go_back() noexcept {
    if (temporary_ != nullptr) {
        PyThreadState_Clear(temporary_);
        PyThreadState_DeleteCurrent();
    } else {
        PyThreadState_Swap(before_);
    }
}

attached::~attached() {
    if (!nested_) {
        interrupts::leave(interrupted_);
        innermost = outer_;
        if (visitor_ != nullptr) visitor_->inside--;
        go_back();
    }
    target_.leave();
}

}  // namespace allcores::interpreter
