#include "bindings/server_options.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings/module.h"
#include "data/guarded.h"
#include "interpreter/output.h"

namespace allcores::bindings {

namespace {

using data::checked;
using data::ref;

// The bytes of a str (UTF-8, file names' own bytes where they are none) or of bytes.
std::string text_of(PyObject* value) {
    ref bytes = PyUnicode_Check(value)
                    ? checked(PyUnicode_AsEncodedString(value, "utf-8", "surrogateescape"))
                    : checked(PyBytes_FromObject(value));
    return {PyBytes_AS_STRING(bytes.get()),
            static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()))};
}

std::uint32_t number_of(PyObject* value) {
    const unsigned long number = PyLong_AsUnsignedLong(value);
    if (number == static_cast<unsigned long>(-1) && PyErr_Occurred()) throw data::python_error();
    return static_cast<std::uint32_t>(number);
}

std::uint64_t size_of(PyObject* value) {
    const unsigned long long size = PyLong_AsUnsignedLongLong(value);
    if (size == static_cast<unsigned long long>(-1) && PyErr_Occurred()) throw data::python_error();
    return size;
}

std::uint32_t milliseconds_of(PyObject* value) {
    const double seconds = PyFloat_AsDouble(value);
    if (seconds == -1.0 && PyErr_Occurred()) throw data::python_error();
    return static_cast<std::uint32_t>(std::min(seconds * 1000, double{UINT32_MAX}));
}

bool truth_of(PyObject* value) {
    return checked(PyObject_IsTrue(value)) != 0;
}

template <class Read>
auto list_of(PyObject* values, Read read) {
    std::vector<decltype(read(values))> result;
    ref items = checked(PySequence_Tuple(values));
    result.reserve(static_cast<std::size_t>(PyTuple_GET_SIZE(items.get())));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items.get()); ++i) {
        result.push_back(read(PyTuple_GET_ITEM(items.get(), i)));
    }
    return result;
}

std::pair<std::string, std::string> pair_of(PyObject* value) {
    ref first = checked(PySequence_GetItem(value, 0));
    ref second = checked(PySequence_GetItem(value, 1));
    return {text_of(first.get()), text_of(second.get())};
}

using reader = void (*)(PyObject*, http::server_options&);

reader reader_of(std::string_view name) {
    using options = http::server_options;
    static const std::map<std::string_view, reader> readers = {
        {"hosts", [](PyObject* v, options& o) { o.hosts = list_of(v, text_of); }},
        {"paths", [](PyObject* v, options& o) { o.paths = list_of(v, text_of); }},
        {"path_permissions", [](PyObject* v, options& o) { o.path_permissions = number_of(v); }},
        {"descriptors",
         [](PyObject* v, options& o) {
             for (std::uint32_t each : list_of(v, number_of)) {
                 o.descriptors.push_back(static_cast<int>(each));
             }
         }},
        {"fields", [](PyObject* v, options& o) { o.fields = text_of(v); }},
        {"log_level",
         [](PyObject* v, options& o) {
             // Python's numbers of levels: 10 for debug, 20 for info and so on.
             const std::uint32_t least = number_of(v);
             if (!o.log) return;
             o.log = [log = o.log, least](http::log_level level, std::string_view text) {
                 if (10 * (static_cast<std::uint32_t>(level) + 1) >= least) log(level, text);
             };
         }},
        {"worker_timeout",
         [](PyObject* v, options& o) { o.worker_timeout_ms = milliseconds_of(v); }},
        {"max_requests", [](PyObject* v, options& o) { o.max_requests = number_of(v); }},
        {"max_requests_jitter",
         [](PyObject* v, options& o) { o.max_requests_jitter = number_of(v); }},
        {"trusted",
         [](PyObject* v, options& o) { o.front.proxies = http::trusted_proxies(text_of(v)); }},
        {"files",
         [](PyObject* v, options& o) { o.front.files = http::static_files(list_of(v, pair_of)); }},
        {"health", [](PyObject* v, options& o) { o.front.health = text_of(v); }},
        {"metrics", [](PyObject* v, options& o) { o.front.metrics = text_of(v); }},
        {"most_requests", [](PyObject* v, options& o) { o.front.most_requests = number_of(v); }},
        {"access_log",
         [](PyObject* v, options& o) {
             o.front.log.emplace(text_of(v));
             o.access_log = [](std::string_view lines) {
                 [[maybe_unused]] const int failed =
                     interpreter::write_whole(STDOUT_FILENO, lines.data(), lines.size());
             };
         }},
        {"body_buffer", [](PyObject* v, options& o) { o.limits.max_spooled_bytes = size_of(v); }},
        {"on_duty", [](PyObject* v, options& o) { o.on_duty = number_of(v); }},
        {"says_date", [](PyObject* v, options& o) { o.says_date = truth_of(v); }},
    };
    const auto found = readers.find(name);
    return found == readers.end() ? nullptr : found->second;
}

// The functions of the module that say whether a text can be such an option.
template <class Value>
PyObject* check_text(PyObject*, PyObject* text) {
    return data::guarded([&] {
        const Value made{text_of(text)};
        return Py_NewRef(Py_None);
    });
}

PyMethodDef functions[] = {
    {"_check_access_log_format", check_text<http::access_log>, METH_O,
     "ValueError for what can't be the format of an access log."},
    {"_check_trusted_proxies", check_text<http::trusted_proxies>, METH_O,
     "ValueError for what is no list of addresses and networks."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_server_options(PyObject* module) {
    return PyModule_AddFunctions(module, functions);
}

void read_server_options(PyObject* given, http::server_options& options) {
    PyObject* key = nullptr;
    PyObject* value = nullptr;
    Py_ssize_t at = 0;
    while (PyDict_Next(given, &at, &key, &value)) {
        const std::string name = text_of(key);
        const reader read = reader_of(name);
        if (read == nullptr) {
            PyErr_Format(PyExc_ValueError, "Server has no option %R", key);
            throw data::python_error();
        }
        read(value, options);
    }
}

}  // namespace allcores::bindings
