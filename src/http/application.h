// What the server calls: one object for each worker, used by that worker's thread only. A batch is
// what one read from one connection brought: one request, or several when the client pipelines.
#pragma once

#include "http/request.h"
#include "http/response.h"

namespace allcores::http {

class application {
 public:
    virtual ~application() = default;

    // Before the first handle() of a batch (an interpreter's lock is taken here).
    virtual void enter() {}

    // Answers one request. Must not throw.
    virtual void handle(const request& request, response& response) = 0;

    // Once after each handle(), on the same thread and entered: the server holds no view of the
    // response's body any more. (A large body is sent in between with the batch left: handle,
    // leave, enter, release.)
    virtual void release() {}

    // After the batch, before its replies are sent where they are small (the interpreter's lock is
    // released here).
    virtual void leave() {}

    // Nothing is ready and this worker is about to block. Called at most once before each blocking
    // wait, not entered, and only when wants_idle() says so just before; that costs the worker one
    // more look for events.
    virtual void idle() {}
    virtual bool wants_idle() { return false; }
};

}  // namespace allcores::http
