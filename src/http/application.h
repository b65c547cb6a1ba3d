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

    // Before something that may block or take long, at the latest before this worker waits for
    // events (the interpreter's lock is released here).
    virtual void leave() {}

    // After a batch, entered. Returns whether this worker may stay so while it sends the replies
    // and takes the next event, if one is ready (when nobody else wants the interpreter's lock).
    virtual bool finish_batch() { return false; }

    // Nothing is ready and this worker is about to block: entered, and only when wants_idle() says
    // so just before; that costs the worker one more look for events. `at_length`: no other worker
    // is at it, so it may take long.
    virtual void idle(bool at_length) { (void)at_length; }
    virtual bool wants_idle() { return false; }
};

}  // namespace allcores::http
