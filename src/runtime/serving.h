// One running server: an http::server and its workers, each an interpreter with its own GIL on its
// own thread.
//
// Used by one controlling thread (the one that called allcores.serve), except stop() and the
// statistics, which any thread may call. All calls are made detached, without a GIL.
#pragma once

#include <chrono>
#include <condition_variable>
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
    // `payload`: what allcores._worker.load takes, in each worker.
    serving(http::server_options options, std::string payload);
    ~serving();
    serving(const serving&) = delete;
    serving& operator=(const serving&) = delete;

    void listen() { server_.listen(); }
    const http::server& server() const { return server_; }

    // 1. Makes the workers' interpreters and lets them load the handler. Throws
    // interpreter::creation_error, and then leaves no interpreter behind. `inherited`: from
    // interpreter::inherit(), what the workers take over.
    void start(const std::string& inherited);
    // 2. Waits until every worker has its handler, or one has failed; the workers serve from then
    // on, or return. False: something else happened first, perhaps a signal.
    bool wait_loaded();
    // The error of the first worker that failed to load; null when all have loaded.
    const data::remote_error* load_error() const { return error_.get(); }
    // 3. Waits until all workers have returned from serving, or those that have not are stuck:
    // stop() was called, and its grace is over. False: something else happened first.
    bool wait_returned();
    // 4. Ends the workers' interpreters; what still runs in one is interrupted, and after `grace`
    // left behind.
    void end(std::chrono::milliseconds grace);

    // No new connections; what is in flight has `grace` to finish. Any thread, any number of times.
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
    void loaded(std::unique_ptr<data::remote_error> error);
    bool wait_for_the_others();
    void returned();
    void announce();
    bool wait_until(const std::function<bool()>& condition);
    bool is_over() const { return returned_ == workers_.size() || clock::now() >= deadline_; }

    http::server server_;
    const std::string payload_;
    std::vector<worker_state>
        workers_;  // written by start(), before the workers run, and by end(), after
    const clock::time_point started_;
    // A pipe, written at each change of what follows and by signals, read by the controlling
    // thread.
    int changes_ = -1;
    int wake_ = -1;

    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    unsigned loaded_ = 0;    // workers that have their handler, or have failed to get it
    unsigned returned_ = 0;  // workers whose job is over
    clock::time_point deadline_ =
        clock::time_point::max();                // from then on a worker that serves is stuck
    std::unique_ptr<data::remote_error> error_;  // written once, read by others after wait_loaded()
};

}  // namespace allcores::runtime
