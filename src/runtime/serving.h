// One running server: an http::server and its workers, each an interpreter with its own GIL on its
// own thread. Workers come and go while it serves: all of them at a restart, one that has served as
// many requests as it may, one that is stuck or has died. Connections are nobody's in particular,
// so none is lost by that.
//
// The server has twice as many places as workers: a new worker loads and serves in a place of its
// own before the one that it takes over from is let go.
//
// Used by one controlling thread (the one that called allcores.serve), except stop(), restart() and
// the statistics, which any thread may call. All calls are made detached, without a GIL.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "data/remote_error.h"
#include "http/server.h"
#include "interpreter/interpreter.h"

namespace allcores::runtime {

class worker_application;

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
    // 3. Waits until stop() was called and all that served have returned, and all that loaded have
    // come to the end of the step that they were in, or those that have not are stuck: its grace is
    // over. Before stop() also until one of the first workers has failed to
    // load: no further one loads then, and to stop those that serve is the caller's. Meanwhile
    // workers are replaced. False: something else happened first.
    bool wait_returned();
    // The error of the first of the first workers that failed to load, as allcores._failures says
    // it; null when none has.
    const data::remote_error* load_error();
    // 4. Ends the workers' interpreters; what still runs in one is interrupted, and after `grace`
    // left behind.
    void end(std::chrono::milliseconds grace);

    // Instead of 1 to 4, for tests of applications that are objects of the calling interpreter:
    // serves what allcores._worker.load has made as a worker of this thread's, until stop().
    // Attached. False: it is not to be served; a Python exception is set.
    bool serve_here(PyObject* loaded);

    // No new connections; what is in flight has `grace` to finish, and so has who loads. Nobody
    // begins to load or to serve any more. With a grace of 0 nobody who loads is waited for. Any
    // thread, any number of times.
    void stop(std::chrono::milliseconds grace);

    // New workers with new code take the places of those that serve, which have `grace` to finish
    // what they have. Where the new code can't be loaded, the old goes on. Any thread.
    void restart(std::chrono::milliseconds grace);

    // A byte written there ends a wait: for signal handlers. A handler that ran just before the
    // wait or on another thread would not.
    int wake_descriptor() const { return wake_; }

    // The places, for statistics. `interpreter_id` is -1 where nobody is.
    std::size_t places() const { return places_.size(); }
    std::int64_t interpreter_at(unsigned index);
    double seconds_since_start() const;
    // That of the application, as allcores._worker has found it; empty before a worker has loaded
    // it.
    std::string interface_name();

    // The server that serves in this interpreter, else the one started last; null when there is
    // none.
    static std::shared_ptr<serving> find(std::int64_t interpreter_id);
    // Whether this interpreter is that of a worker which need not go on loading: its server stops.
    // Any thread.
    static bool stops_in(std::int64_t interpreter_id);

 private:
    using clock = std::chrono::steady_clock;
    using milliseconds = std::chrono::milliseconds;

    static constexpr unsigned nobody = ~0U;

    // empty -> waiting -> loading -> serving -> retiring -> returned -> empty
    //                          \-> failed -> empty             \-> lost, for good
    enum class phase : std::uint8_t {
        empty,
        waiting,  // for its turn to load
        loading,
        serving,
        retiring,  // it is to finish what it has
        returned,  // its job is over
        failed,    // to load, or to begin to serve
        lost,      // it did not come back in time: its thread may be in there for ever
    };

    struct place {
        phase at = phase::empty;
        std::shared_ptr<interpreter::interpreter> home;
        std::int64_t interpreter_id = -1;
        unsigned generation = 0;
        bool is_first = false;              // its failure to load is the server's
        unsigned replaces = nobody;         // whom it takes over from
        std::string reason = {};            // what became of the one whose place it takes
        bool is_for_failure = false;        // that one was stuck, or died
        std::uint64_t requests_before = 0;  // that the place had served before
        std::uint64_t requests_most = 0;    // 0: no limit
        clock::time_point deadline{};       // of the retiring
        std::unique_ptr<data::remote_error> error;
    };

    std::shared_ptr<interpreter::interpreter> make_interpreter(unsigned number);
    // With mutex_ held.
    void settle(unsigned index, std::shared_ptr<interpreter::interpreter> home, unsigned replaces);
    void begin_next();
    void announce();
    bool is_over() const;
    unsigned count(phase at) const;
    void retire(unsigned index, milliseconds grace);
    void clear(unsigned index);

    // The job of one worker, attached.
    void work(unsigned index);
    bool run_and_shut_down(worker_application& application, unsigned index, bool serves);
    void note_interface(PyObject* target);
    bool loaded(unsigned index);
    void failed(unsigned index, std::unique_ptr<data::remote_error> error);
    void returned(unsigned index);

    bool wait_until(const std::function<bool()>& condition);
    // serving_supervision.cpp: what the controlling thread does while it waits.
    milliseconds time_to_look();
    void supervise();
    void begin_restart();
    void look_at_restart();
    std::string failures_of_restart();
    void look_at(unsigned index);
    void look_at_ended(unsigned index);
    void look_at_serving(unsigned index);
    void replace(unsigned index, std::string reason);
    std::string report_stuck(unsigned index, std::shared_ptr<interpreter::interpreter> home);
    unsigned count_live();
    place* successor_of(unsigned index);
    void end_one(std::shared_ptr<interpreter::interpreter> home, milliseconds patience,
                 unsigned lost_place);
    void log(http::log_level level, const std::string& text) const;

    http::server server_;
    const std::string payload_;
    const unsigned workers_;
    const unsigned loading_most_;
    const clock::time_point started_;
    std::string inherited_;  // by start()
    // A pipe, written at each change of what follows and by signals, read by the controlling
    // thread.
    int changes_ = -1;
    int wake_ = -1;
    // Of interpreters; the controlling thread's.
    struct end_of_one {
        std::shared_ptr<std::atomic<bool>> is_over;
        std::jthread thread;
    };
    std::vector<end_of_one> ends_;
    // What became of those that failed and are not replaced yet; the controlling thread's.
    std::deque<std::string> losses_;
    unsigned made_ = 0;               // interpreters, for their names; the controlling thread's
    clock::time_point not_before_{};  // the next try to replace, after one that failed

    std::mutex mutex_;  // guards what follows
    std::vector<place> places_;
    std::string interface_;
    bool stops_ = false;    // nobody begins to load or to serve any more
    bool hurries_ = false;  // and who loads is not waited for
    bool wants_restart_ = false;
    bool is_restarting_ = false;
    unsigned generation_ = 0;     // the newest
    milliseconds grace_{10'000};  // of who retires
    clock::time_point deadline_ =
        clock::time_point::max();                // from then on a worker that serves is stuck
    std::unique_ptr<data::remote_error> error_;  // written once
};

}  // namespace allcores::runtime
