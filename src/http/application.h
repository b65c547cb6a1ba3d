// What the server calls: one object for each worker, used by that worker's thread only. A batch is
// what one read from one connection brought: one request, or several when the client pipelines.
#pragma once

#include "http/port.h"
#include "http/request.h"
#include "http/response.h"

namespace allcores::http {

class application {
 public:
    virtual ~application() = default;

    // Once, before everything else and not entered: what this application may ask of its worker.
    virtual void begin(port& worker) { (void)worker; }

    // Whether handle() is called as soon as the head of a request has come, if its body is long or
    // of unknown length: request::whole is false then, and hold() has the body.
    virtual bool takes_parts() const { return false; }
    // Of one that does: how many bytes of a body whose length is known are awaited all the same
    // before handle() is called. An application that blocks while it reads is better off with more:
    // a client that sends slowly then holds up nobody.
    virtual std::uint64_t awaited_body() const { return 64 * 1024; }
    // Of one that takes parts: whether it blocks its worker until they come. Then it gets them only
    // from clients that are fast, and not on all workers at a time; other bodies are whole first
    // (worker_body.cpp). Their request::whole is false too where they are long.
    virtual bool waits_for_body() const { return false; }

    // An application with a loop of its own serves in it: drive() calls port::turn() until that
    // says `ended`. Not entered.
    virtual bool has_loop() const { return false; }
    virtual void drive() {}
    // Of one with a loop, entered: something is to be done outside of turn().
    virtual bool wants_turn_over() { return false; }
    // Of one with a loop, entered: nothing but a request can give it work.
    virtual bool is_idle() { return true; }

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
