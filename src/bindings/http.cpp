// allcores._core: the types of allcores.http, the server's control object, and its statistics.
#include <unistd.h>

#include <algorithm>
#include <new>
#include <string>
#include <system_error>

#include "bindings/module.h"
#include "bindings/server_options.h"
#include "data/guarded.h"
#include "interpreter/attach.h"
#include "runtime/asgi_awaitable.h"
#include "runtime/asgi_request.h"
#include "runtime/asgi_websocket.h"
#include "runtime/request_object.h"
#include "runtime/response_object.h"
#include "runtime/serving.h"

namespace allcores::bindings {

namespace {

using runtime::serving;
using std::chrono::milliseconds;

struct server_object {
    PyObject_HEAD std::shared_ptr<runtime::serving> serving;
};

serving& get(PyObject* self) {
    return *reinterpret_cast<server_object*>(self)->serving;
}

milliseconds to_milliseconds(double seconds) {
    constexpr double longest = 1e9;
    if (!(seconds > 0)) return milliseconds(0);
    return milliseconds(static_cast<long long>((seconds < longest ? seconds : longest) * 1000));
}

// What the server has to say: one line, of what is well (a restart) on stdout, of what is not (a
// lack of descriptors, an odd error of the system) on stderr.
void log_line(http::log_level level, std::string_view text) {
    std::string line = "allcores: ";
    line.append(text).push_back('\n');
    const int descriptor = level < http::log_level::warning ? STDOUT_FILENO : STDERR_FILENO;
    [[maybe_unused]] const auto written = write(descriptor, line.data(), line.size());
}

PyObject* create(PyTypeObject* type, PyObject* args, PyObject* keywords) {
    static const char* const names[] = {"payload",
                                        "host",
                                        "port",
                                        "workers",
                                        "backlog",
                                        "max_header",
                                        "max_body",
                                        "max_streamed",
                                        "max_connections",
                                        "min_body_rate",
                                        "header_timeout",
                                        "body_timeout",
                                        "keep_alive_timeout",
                                        "send_timeout",
                                        "server_name",
                                        "loading",
                                        "options",
                                        nullptr};
    PyObject* more = nullptr;
    const char* payload = nullptr;
    Py_ssize_t payload_size = 0;
    const char* host = nullptr;
    const char* server_name = nullptr;
    unsigned short port = 0;
    unsigned int workers = 0, backlog = 0, max_header = 0, max_connections = 0, min_body_rate = 0,
                 loading = 0;
    unsigned long long max_body = 0, max_streamed = 0;
    double header_timeout = 0, body_timeout = 0, keep_alive_timeout = 0, send_timeout = 0;
    if (!PyArg_ParseTupleAndKeywords(
            args, keywords, "$y#sHIIIKKIIddddsIO!:Server", const_cast<char**>(names), &payload,
            &payload_size, &host, &port, &workers, &backlog, &max_header, &max_body, &max_streamed,
            &max_connections, &min_body_rate, &header_timeout, &body_timeout, &keep_alive_timeout,
            &send_timeout, &server_name, &loading, &PyDict_Type, &more)) {
        return nullptr;
    }
    PyObject* object = type->tp_alloc(type, 0);
    if (object == nullptr) return nullptr;
    auto* self = reinterpret_cast<server_object*>(object);
    new (&self->serving) std::shared_ptr<runtime::serving>();
    const int status = data::guarded([&] {
        const auto in_ms = [](double seconds) {
            return static_cast<std::uint32_t>(
                std::min<long long>(to_milliseconds(seconds).count(), UINT32_MAX));
        };
        http::server_options options;
        options.host = host;
        options.port = port;
        options.backlog = static_cast<int>(backlog);
        options.workers = workers;
        options.server_name = server_name;
        options.limits.max_header_bytes = max_header;
        options.limits.max_body_bytes = max_body;
        options.limits.max_streamed_bytes = max_streamed;
        options.limits.max_connections = max_connections;
        options.limits.min_body_rate = min_body_rate;
        options.limits.header_timeout_ms = in_ms(header_timeout);
        options.limits.body_timeout_ms = in_ms(body_timeout);
        options.limits.keep_alive_timeout_ms = in_ms(keep_alive_timeout);
        options.limits.send_timeout_ms = in_ms(send_timeout);
        options.log = log_line;
        read_server_options(more, options);
        self->serving = std::make_shared<serving>(
            std::move(options), std::string(payload, static_cast<std::size_t>(payload_size)),
            loading);
    });
    if (status < 0) {
        Py_DECREF(object);
        return nullptr;
    }
    return object;
}

void deallocate(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    using pointer = std::shared_ptr<runtime::serving>;
    reinterpret_cast<server_object*>(object)->serving.~pointer();
    type->tp_free(object);
    Py_DECREF(type);
}

PyObject* listen(PyObject* self, PyObject*) {
    return data::guarded([&]() -> PyObject* {
        try {
            const interpreter::detached detached;
            get(self).listen();
        } catch (const std::system_error& error) {
            // An error number is only one of the system's; a resolver's means something else.
            const bool of_system = error.code().category() == std::generic_category() ||
                                   error.code().category() == std::system_category();
            PyObject* arguments =
                Py_BuildValue("(is)", of_system ? error.code().value() : 0, error.what());
            if (arguments != nullptr) PyErr_SetObject(PyExc_OSError, arguments);
            Py_XDECREF(arguments);
            throw data::python_error();
        }
        data::ref result = data::checked(PyList_New(0));
        for (const net::address& address : get(self).server().addresses()) {
            const data::ref text = data::checked(PyUnicode_FromString(address.text().c_str()));
            data::checked(PyList_Append(result.get(), text.get()));
        }
        return result.release();
    });
}

PyObject* start(PyObject* self, PyObject*) {
    return data::guarded([&]() -> PyObject* {
        const std::string inherited = interpreter::inherit();
        try {
            const interpreter::detached detached;
            get(self).start(inherited);
        } catch (const interpreter::creation_error& error) {
            PyErr_SetString(error.out_of_memory ? PyExc_MemoryError : PyExc_RuntimeError,
                            error.what());
            throw data::python_error();
        }
        return Py_NewRef(Py_None);
    });
}

// Waits detached; signals are Python's to handle, in between.
template <bool (serving::*Wait)()>
int wait_for(PyObject* self) {
    for (;;) {
        bool done = false;
        {
            const interpreter::detached detached;
            done = (get(self).*Wait)();
        }
        if (done) return 0;
        if (PyErr_CheckSignals() < 0) return -1;
    }
}

template <bool (serving::*Wait)()>
PyObject* wait_or_error(PyObject* self, PyObject*) {
    if (wait_for<Wait>(self) < 0) return nullptr;
    const data::remote_error* error = get(self).load_error();
    if (error == nullptr) return Py_NewRef(Py_None);
    return Py_BuildValue("(sss)", error->type.c_str(), error->message.c_str(),
                         error->traceback.c_str());
}

PyObject* stop(PyObject* self, PyObject* seconds) {
    const double grace = PyFloat_AsDouble(seconds);
    if (grace == -1.0 && PyErr_Occurred()) return nullptr;
    get(self).stop(to_milliseconds(grace));
    return Py_NewRef(Py_None);
}

PyObject* restart(PyObject* self, PyObject* seconds) {
    const double grace = PyFloat_AsDouble(seconds);
    if (grace == -1.0 && PyErr_Occurred()) return nullptr;
    get(self).restart(to_milliseconds(grace));
    return Py_NewRef(Py_None);
}

PyObject* serve_here(PyObject* self, PyObject* loaded) {
    return data::guarded([&]() -> PyObject* {
        if (!get(self).serve_here(loaded)) throw data::python_error();
        return Py_NewRef(Py_None);
    });
}

PyObject* interface_name(PyObject* self, PyObject*) {
    return data::guarded([&] { return PyUnicode_FromString(get(self).interface_name().c_str()); });
}

PyObject* wake_descriptor(PyObject* self, PyObject*) {
    return PyLong_FromLong(get(self).wake_descriptor());
}

PyObject* end(PyObject* self, PyObject* seconds) {
    const double grace = PyFloat_AsDouble(seconds);
    if (grace == -1.0 && PyErr_Occurred()) return nullptr;
    return data::guarded([&]() -> PyObject* {
        {
            const interpreter::detached detached;
            get(self).end(to_milliseconds(grace));
        }
        return Py_NewRef(Py_None);
    });
}

PyMethodDef server_methods[] = {
    {"listen", listen, METH_NOARGS, "Bind the address; the addresses as text. OSError."},
    {"start", start, METH_NOARGS, "Make the workers; they load the handler, and serve."},
    {"wait_serving", wait_or_error<&serving::wait_serving>, METH_NOARGS,
     "Wait for the first worker; None, or (type, message, traceback) of the first that failed."},
    {"wait_returned", wait_or_error<&serving::wait_returned>, METH_NOARGS,
     "Wait until all workers have stopped serving, or one fails to load; as wait_serving."},
    {"_serve_here", serve_here, METH_O,
     "For tests of applications: serve an allcores._worker.Loaded of this interpreter on this "
     "thread, until stop(). Instead of start()."},
    {"interface", interface_name, METH_NOARGS,
     "The application's interface, once a worker serves it."},
    {"wake_descriptor", wake_descriptor, METH_NOARGS,
     "What signal.set_wakeup_fd takes, so that a signal ends a wait."},
    {"stop", stop, METH_O, "Take no more connections; seconds for what is in flight."},
    {"restart", restart, METH_O,
     "New workers with new code; seconds for what the old ones have in flight."},
    {"end", end, METH_O, "End the workers' interpreters; seconds for what still runs."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot server_slots[] = {
    {Py_tp_doc, const_cast<char*>("The server that allcores.serve runs.")},
    {Py_tp_new, reinterpret_cast<void*>(create)},
    {Py_tp_methods, server_methods},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {0, nullptr},
};

PyType_Spec server_spec = {
    "allcores._core.Server",
    sizeof(server_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    server_slots,
};

PyObject* latency(const http::statistics& statistics) {
    const auto seconds = [&](double fraction) {
        return static_cast<double>(statistics.percentile(fraction)) * 1e-9;
    };
    return Py_BuildValue("{s:d,s:d,s:d,s:d}", "p50", seconds(0.5), "p90", seconds(0.9), "p99",
                         seconds(0.99), "max", seconds(1.0));
}

PyObject* worker_statistics(unsigned index, std::int64_t interpreter,
                            const http::statistics& statistics) {
    PyObject* times = latency(statistics);
    if (times == nullptr) return nullptr;
    return Py_BuildValue("{s:I,s:L,s:K,s:d,s:d,s:N}", "worker", index, "interpreter",
                         static_cast<long long>(interpreter), "requests",
                         static_cast<unsigned long long>(statistics.requests), "cpu_seconds",
                         static_cast<double>(statistics.cpu_ns) * 1e-9, "busy_seconds",
                         static_cast<double>(statistics.busy_ns) * 1e-9, "latency", times);
}

PyObject* server_statistics(PyObject*, PyObject*) {
    return data::guarded([]() -> PyObject* {
        const std::shared_ptr<serving> found =
            serving::find(PyInterpreterState_GetID(PyInterpreterState_Get()));
        if (!found) return Py_NewRef(Py_None);
        http::statistics sum;
        data::ref workers = data::checked(PyList_New(0));
        for (unsigned i = 0; i < found->places(); ++i) {
            const http::statistics one = found->server().snapshot(i);
            sum += one;
            const std::int64_t interpreter = found->interpreter_at(i);
            if (interpreter < 0) continue;
            const data::ref item = data::checked(worker_statistics(i, interpreter, one));
            data::checked(PyList_Append(workers.get(), item.get()));
        }
        data::ref times = data::checked(latency(sum));
        data::ref classes = data::checked(Py_BuildValue(
            "{s:K,s:K,s:K,s:K}", "2xx", static_cast<unsigned long long>(sum.responses[2]), "3xx",
            static_cast<unsigned long long>(sum.responses[3]), "4xx",
            static_cast<unsigned long long>(sum.responses[4]), "5xx",
            static_cast<unsigned long long>(sum.responses[5])));
        return Py_BuildValue(
            "{s:d,s:K,s:K,s:K,s:K,s:N,s:N,s:N}", "uptime", found->seconds_since_start(), "requests",
            static_cast<unsigned long long>(sum.requests), "connections",
            static_cast<unsigned long long>(found->server().open_connections()), "bytes_received",
            static_cast<unsigned long long>(sum.bytes_received), "bytes_sent",
            static_cast<unsigned long long>(sum.bytes_sent), "responses", classes.release(),
            "latency", times.release(), "workers", workers.release());
    });
}

PyObject* server_stops(PyObject*, PyObject*) {
    return PyBool_FromLong(serving::stops_in(PyInterpreterState_GetID(PyInterpreterState_Get())));
}

PyMethodDef functions[] = {
    {"_server_stops", server_stops, METH_NOARGS,
     "Whether the server that this interpreter is a worker of stops."},
    {"server_statistics", server_statistics, METH_NOARGS,
     "What the server of this interpreter, or else the one started last, has counted; None without "
     "one."},
    {nullptr, nullptr, 0, nullptr},
};

int add_type(PyObject* module, PyTypeObject* type) {
    if (type == nullptr) return -1;
    const int status = PyModule_AddType(module, type);
    Py_DECREF(type);
    return status;
}

}  // namespace

int add_http(PyObject* module) {
    if (add_type(module, runtime::make_request_type(module)) < 0 ||
        add_type(module, runtime::make_response_type(module)) < 0 ||
        add_type(module, runtime::make_file_response_type(module)) < 0 ||
        add_type(module, runtime::make_asgi_request_type(module)) < 0 ||
        add_type(module, runtime::make_asgi_websocket_type(module)) < 0 ||
        add_type(module, runtime::make_awaitable_type(module)) < 0 ||
        add_type(module, reinterpret_cast<PyTypeObject*>(
                             PyType_FromModuleAndSpec(module, &server_spec, nullptr))) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}

}  // namespace allcores::bindings
