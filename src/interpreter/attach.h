// Which interpreter this OS thread runs in: `detached` lets go of the GIL for a while, `attached`
// enters an interpreter.
//
// Entering needs a thread state of that interpreter made on this very thread. Making one is dear
// (on the main thread it reads /proc/self/maps) and one that was made elsewhere leaks at each
// attach, so each OS thread keeps one per interpreter. The interpreter deletes them when it ends; a
// thread that ends gives its own to their interpreters. A thread that comes back to an interpreter
// further up in its own calls goes on with the state that it has there.
#pragma once
#include <Python.h>

#include <memory>
#include <stdexcept>

#include "interpreter/door.h"

namespace allcores::interpreter {

class interpreter;

// The interpreter has ended, or is ending.
struct interpreter_gone : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// While it lives, this thread holds no GIL. Only where one is held; put around whatever may block.
class [[nodiscard]] detached {
 public:
    detached() : saved_(PyEval_SaveThread()) {}
    ~detached() { PyEval_RestoreThread(saved_); }
    detached(const detached&) = delete;
    detached& operator=(const detached&) = delete;

 private:
    PyThreadState* saved_;
};

// While it lives, this thread is in `target` and holds its GIL; after it, it is where it was before
// (in another interpreter, or in none). Nests. Waits for the GIL as long as that takes. `target`
// does not end while one lives, so keep it short. Throws interpreter_gone.
class [[nodiscard]] attached {
 public:
    explicit attached(const std::shared_ptr<interpreter>& target);
    // The caller keeps the door.
    explicit attached(door& target);
    ~attached();
    attached(const attached&) = delete;
    attached& operator=(const attached&) = delete;

 private:
    void go_in();
    void go_back() noexcept;

    door& target_;
    const std::shared_ptr<door> kept_;
    PyThreadState* before_ = nullptr;     // what was current, if anything
    PyThreadState* suspended_ = nullptr;  // the state that this thread was in last, if any
    const attached* outer_ = nullptr;     // the one that this is inside of, on this thread
    PyThreadState* temporary_ = nullptr;  // made for this scope only
    door::visitor* visitor_ = nullptr;
    PyThreadState* interrupted_ = nullptr;  // interrupts::enter()'s
    bool nested_ = false;                   // it was in `target` already
};

// The child of a fork has none of the other interpreters: this thread forgets its thread states in
// them.
void forget_attachments() noexcept;

}  // namespace allcores::interpreter
