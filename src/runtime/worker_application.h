// What a worker of a server runs, as its http::application: the parts that handlers, ASGI and WSGI
// applications have in common. One per worker, made and used on the worker's thread only.
//
// enter() and leave() take and release the interpreter's GIL around a batch of requests;
// everything between holds it.
#pragma once
#include <Python.h>

#include <cstdint>
#include <memory>

#include "http/application.h"
#include "net/address.h"

namespace allcores::runtime {

class worker_application : public http::application {
 public:
    // Attached. `loaded` is what allcores._worker.load returned: it has `kind`, `target`, and
    // `collector` with idle() and busy() (see _collector.py). On failure a Python exception is set
    // and is_ready() is false.
    // `address` is where the server listens.
    static std::unique_ptr<worker_application> make(PyObject* loaded, const net::address& address);

    ~worker_application() override;  // attached
    worker_application(const worker_application&) = delete;
    worker_application& operator=(const worker_application&) = delete;

    bool is_ready() const { return ready_; }
    // Between the construction and the first enter(), and after the last leave(): release the GIL
    // and take it back.
    void detach() { state_ = PyEval_SaveThread(); }
    void attach() { PyEval_RestoreThread(state_); }
    // Attached, when the worker has served: what the application does at its end.
    virtual void shut_down() {}

    void enter() override { attach(); }
    void leave() override { detach(); }
    bool finish_batch() override;
    bool wants_idle() override { return since_idle_ >= requests_between_collections; }
    void idle(bool at_length) override;

 protected:
    explicit worker_application(PyObject* collector);

    // Whether this thread is the only one of its interpreter.
    static bool is_only_thread();
    void count_request() { ++since_idle_; }

    bool ready_ = false;

 private:
    // The collector is asked after so many requests: at the next idle moment, or in any case.
    static constexpr std::uint32_t requests_between_collections = 16;
    static constexpr std::uint32_t requests_without_idle = 512;

    void ask_collector(PyObject* method, bool at_length);

    PyObject* collect_idle_ = nullptr;
    PyObject* collect_busy_ = nullptr;
    PyThreadState* state_ = nullptr;  // while detached
    std::uint32_t since_idle_ = 0;
};

}  // namespace allcores::runtime
