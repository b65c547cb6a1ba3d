// One running server: an http::server and its workers, each an interpreter with its own GIL on its
// own thread.
//
// Used by one controlling thread (the one that called allcores.serve), except stop() and the
// statistics, which any thread may call. All calls are made detached, without a GIL.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "data/remote_error.h"
#include "http/server.h"
#include "interpreter/interpreter.h"

namespace allcores::runtime {

class serving : public std::enable_shared_from_this<serving> {
 public:
    // `payload`: what allcores._worker.load takes, in each worker. So many as `loading` load it at
    // a time.
    serving(http::server_options options, std::string payload, unsigned loading);
    ~serving();
    serving(const serving&) = delete;
    serving& operator=(const serving&) = delete;

    void listen() { server_.listen(); }
    const http::server& server() const { return server_; }

    // 1. Makes the workers' interpreters and lets the first of them load the handler; the others
    // follow in order. Each serves as soon as it has it. Throws interpreter::creation_error, and
    // then leaves no interpreter behind. `inherited`: from interpreter::inherit(), what the workers
    // take over.
    void start(const std::string& inherited);
    // 2. Waits until a worker serves, one has failed to load, or stop() was called. False:
    // something else happened first, perhaps a signal.
    bool wait_serving();
    // 3. Waits until stop() was called and all that served have returned, or those that have not
    // are stuck: its grace is over. Before stop() also until a worker has failed to load: no
    // further one loads then, and to stop those that serve is the caller's. False: something else
    // happened first.
    bool wait_returned();
    // The error of the first worker that failed to load; null when none has.
    const data::remote_error* load_error();
    // 4. Ends the workers' interpreters; what still runs in one is interrupted, and after `grace`
    // left behind.
    void end(std::chrono::milliseconds grace);

    // No new connections; what is in flight has `grace` to finish. Nobody begins to load or to
    // serve any more. Any thread, any number of times.
    void stop(std::chrono::milliseconds grace);

    // A byte written there ends a wait: for signal handlers. A handler that ran just before the
    // wait or on another thread would not.
    int wake_descriptor() const { return wake_; }

    struct worker_state {
        std::shared_ptr<interpreter::interpreter> home;
        std::int64_t interpreter_id = 0;
    };
    const std::vector<worker_state>& workers() const { return workers_; }
    double seconds_since_start() const;

    // The server that serves in this interpreter, else the one started last; null when there is
    // none.
    static std::shared_ptr<serving> find(std::int64_t interpreter_id);

 private:
    using clock = std::chrono::steady_clock;

    void make_interpreters(const std::string& inherited);
    // The job of one worker, attached.
    void work(unsigned index);
    // With mutex_ held: the next workers get their job, as many as may load now.
    void begin_next();
    bool loaded();
    void failed(std::unique_ptr<data::remote_error> error);
    void returned();
    void announce();
    bool wait_until(const std::function<bool()>& condition);
    bool is_over() const { return (stops_ && returned_ == serving_) || clock::now() >= deadline_; }

    http::server server_;
    const std::string payload_;
    const unsigned loading_most_;
    std::vector<worker_state>
        workers_;  // written by start(), before the workers run, and by end(), after
    const clock::time_point started_;
    // A pipe, written at each change of what follows and by signals, read by the controlling
    // thread.
    int changes_ = -1;
    int wake_ = -1;

    std::mutex mutex_;       // guards what follows
    unsigned begun_ = 0;     // workers that have got their job, in order
    unsigned loaded_ = 0;    // of those: who have their handler, or have failed to get it
    unsigned serving_ = 0;   // of those: who have gone to serve
    unsigned returned_ = 0;  // of those: whose job is over
    bool stops_ = false;     // nobody begins to load or to serve any more
    clock::time_point deadline_ =
        clock::time_point::max();                // from then on a worker that serves is stuck
    std::unique_ptr<data::remote_error> error_;  // written once
};

}  // namespace allcores::runtime
