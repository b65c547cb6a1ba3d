#include "runtime/worker_application.h"

#include <string_view>

#include "runtime/asgi_application.h"
#include "runtime/python_application.h"
#include "runtime/wsgi_application.h"

namespace allcores::runtime {

std::unique_ptr<worker_application> worker_application::make(PyObject* loaded,
                                                             const net::address& address) {
    std::unique_ptr<worker_application> made;
    PyObject* kind = PyObject_GetAttrString(loaded, "kind");
    PyObject* target = kind == nullptr ? nullptr : PyObject_GetAttrString(loaded, "target");
    PyObject* collector = target == nullptr ? nullptr : PyObject_GetAttrString(loaded, "collector");
    const char* name = collector == nullptr ? nullptr : PyUnicode_AsUTF8(kind);
    if (name != nullptr) {
        const std::string_view which = name;
        if (which == "asgi") {
            made = std::make_unique<asgi_application>(target, collector, address);
        } else if (which == "wsgi") {
            made = std::make_unique<wsgi_application>(target, collector, address);
        } else {
            made = std::make_unique<python_application>(target, collector);
        }
    }
    Py_XDECREF(kind);
    Py_XDECREF(target);
    Py_XDECREF(collector);
    return made;
}

worker_application::worker_application(PyObject* collector) {
    collect_idle_ = PyObject_GetAttrString(collector, "idle");
    if (collect_idle_ != nullptr) collect_busy_ = PyObject_GetAttrString(collector, "busy");
}

worker_application::~worker_application() {
    Py_XDECREF(collect_idle_);
    Py_XDECREF(collect_busy_);
}

bool worker_application::is_only_thread() {
    PyThreadState* own = PyThreadState_GetUnchecked();
    return PyInterpreterState_ThreadHead(own->interp) == own && PyThreadState_Next(own) == nullptr;
}

// A worker's interpreter has one thread, as long as its handlers start none and nobody calls into
// it: then nobody waits for its GIL, and releasing it after each batch would only cost time.
bool worker_application::finish_batch() {
    if (since_idle_ >= requests_without_idle) ask_collector(collect_busy_, true);
    return is_only_thread();
}

void worker_application::idle(bool at_length) {
    ask_collector(collect_idle_, at_length);
}

void worker_application::ask_collector(PyObject* method, bool at_length) {
    since_idle_ = 0;
    PyObject* result = PyObject_CallOneArg(method, at_length ? Py_True : Py_False);
    if (result == nullptr) PyErr_WriteUnraisable(method);
    Py_XDECREF(result);
}

}  // namespace allcores::runtime
