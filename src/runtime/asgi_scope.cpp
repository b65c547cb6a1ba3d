#include "runtime/asgi_scope.h"

#include <array>

namespace allcores::runtime {

namespace {

constexpr std::size_t most_names = 512;
constexpr std::size_t longest_name = 64;

PyObject* bytes(std::string_view text) {
    return PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
}

// Sets and lets go of `value`, which may be null with an exception set.
bool put(PyObject* dict, PyObject* key, PyObject* value) {
    if (value == nullptr) return false;
    const int status = PyDict_SetItem(dict, key, value);
    Py_DECREF(value);
    return status == 0;
}

}  // namespace

bool asgi_scope::start(PyObject* server, std::string_view root_path, PyObject* state) {
    root_path_ = root_path;
    const std::array<std::pair<PyObject**, const char*>, 12> names = {{
        {&http_version_, "http_version"},
        {&method_, "method"},
        {&path_, "path"},
        {&raw_path_, "raw_path"},
        {&query_string_, "query_string"},
        {&headers_, "headers"},
        {&client_, "client"},
        {&state_name_, "state"},
        {&scheme_, "scheme"},
        {&subprotocols_, "subprotocols"},
        {&one_zero_, "1.0"},
        {&one_one_, "1.1"},
    }};
    for (const auto& [slot, text] : names) {
        *slot = PyUnicode_InternFromString(text);
        if (*slot == nullptr) return false;
    }
    no_query_ = PyBytes_FromStringAndSize("", 0);
    state_ = Py_XNewRef(state);
    const auto root_size = static_cast<Py_ssize_t>(root_path.size());
    pattern_ = Py_BuildValue(
        "{s:s, s:{s:s,s:s}, s:O, s:O, s:s, s:O, s:O, s:O, s:s#, s:O, s:O, s:O, s:{s:{},s:{},s:{}}}",
        "type", "http", "asgi", "version", "3.0", "spec_version", "2.4", "http_version", one_one_,
        "method", Py_None, "scheme", "http", "path", Py_None, "raw_path", Py_None, "query_string",
        no_query_, "root_path", root_path_.c_str(), root_size, "headers", Py_None, "client",
        Py_None, "server", server, "extensions", "http.response.trailers", "http.response.pathsend",
        "http.response.early_hint");
    websocket_pattern_ = Py_BuildValue(
        "{s:s, s:{s:s,s:s}, s:O, s:s, s:O, s:O, s:O, s:s#, s:O, s:O, s:O, s:O, s:{s:{}}}", "type",
        "websocket", "asgi", "version", "3.0", "spec_version", "2.4", "http_version", one_one_,
        "scheme", "ws", "path", Py_None, "raw_path", Py_None, "query_string", no_query_,
        "root_path", root_path_.c_str(), root_size, "headers", Py_None, "client", Py_None, "server",
        server, "subprotocols", Py_None, "extensions", "websocket.http.response");
    return pattern_ != nullptr && websocket_pattern_ != nullptr && no_query_ != nullptr;
}

void asgi_scope::clear() {
    for (auto& [name, value] : header_names_) Py_DECREF(value);
    header_names_.clear();
    strings_.clear();
    for (PyObject** each :
         {&pattern_, &websocket_pattern_, &state_, &http_version_, &method_, &path_, &raw_path_,
          &query_string_, &headers_, &client_, &state_name_, &scheme_, &subprotocols_, &one_zero_,
          &one_one_, &no_query_, &last_host_}) {
        Py_CLEAR(*each);
    }
}

PyObject* asgi_scope::make(const http::request& request) {
    return prepare(request) ? make_from(pattern_, request) : nullptr;
}

// Most requests ask for what the one before did: so it is in the dict that is copied, where to see
// that it is the same costs less than to set it.
bool asgi_scope::prepare(const http::request& request) {
    if (last_method_ != request.method_number) {
        last_method_ = no_method;
        if (!put(pattern_, method_, strings_.method(request.method_number, request.method))) {
            return false;
        }
        last_method_ = request.method_number;
    }
    if (has_path_ && request.path == last_path_) return true;
    has_path_ = false;
    last_path_ = request.path;
    has_path_ = set_path(pattern_, request);
    return has_path_;
}

PyObject* asgi_scope::make_websocket(const http::request& request, PyObject* subprotocols) {
    PyObject* scope = make_from(websocket_pattern_, request);
    if (scope != nullptr &&
        (!set_path(scope, request) || PyDict_SetItem(scope, subprotocols_, subprotocols) < 0)) {
        Py_CLEAR(scope);
    }
    return scope;
}

PyObject* asgi_scope::make_from(PyObject* pattern, const http::request& request) {
    PyObject* scope = PyDict_Copy(pattern);
    if (scope == nullptr) return nullptr;
    bool good =
        put(scope, headers_, make_headers(request)) && put(scope, client_, make_client(request));
    if (good && !request.query.empty()) good = put(scope, query_string_, bytes(request.query));
    if (good && request.scheme == "https") {
        good =
            put(scope, scheme_, PyUnicode_InternFromString(pattern == pattern_ ? "https" : "wss"));
    }
    if (good && request.minor == 0) good = PyDict_SetItem(scope, http_version_, one_zero_) == 0;
    if (good && state_ != nullptr) good = put(scope, state_name_, PyDict_Copy(state_));
    if (!good) Py_CLEAR(scope);
    return scope;
}

// With a root path the path begins with it (the specification's "path": it includes root_path).
bool asgi_scope::set_path(PyObject* scope, const http::request& request) {
    if (root_path_.empty()) {
        return put(scope, path_, strings_.path(request.path)) &&
               put(scope, raw_path_, bytes(request.path));
    }
    PyObject* path = strings_.path(request.path);
    if (path == nullptr) return false;
    PyObject* whole = PyUnicode_FromFormat("%s%U", root_path_.c_str(), path);
    Py_DECREF(path);
    return put(scope, path_, whole) &&
           put(scope, raw_path_, bytes(root_path_ + std::string(request.path)));
}

PyObject* asgi_scope::header_name(std::string_view name) {
    if (name.size() <= longest_name) {
        name_.assign(name);
        const auto found = header_names_.find(name_);
        if (found != header_names_.end()) return Py_NewRef(found->second);
    }
    PyObject* lower = bytes(name);
    if (lower == nullptr) return nullptr;
    char* at = PyBytes_AS_STRING(lower);
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (at[i] >= 'A' && at[i] <= 'Z') at[i] = static_cast<char>(at[i] | 0x20);
    }
    if (name.size() <= longest_name && header_names_.size() < most_names) {
        header_names_.emplace(name_, Py_NewRef(lower));
    }
    return lower;
}

PyObject* asgi_scope::make_headers(const http::request& request) {
    PyObject* result = PyList_New(static_cast<Py_ssize_t>(request.headers.size()));
    if (result == nullptr) return nullptr;
    Py_ssize_t i = 0;
    for (const http::field& each : request.headers) {
        PyObject* name = header_name(each.name);
        PyObject* value = name == nullptr ? nullptr : bytes(each.value);
        PyObject* pair = value == nullptr ? nullptr : PyTuple_New(2);
        if (pair == nullptr) {
            Py_XDECREF(name);
            Py_XDECREF(value);
            Py_DECREF(result);
            return nullptr;
        }
        PyTuple_SET_ITEM(pair, 0, name);
        PyTuple_SET_ITEM(pair, 1, value);
        PyList_SET_ITEM(result, i++, pair);
    }
    return result;
}

PyObject* asgi_scope::make_client(const http::request& request) {
    const http::peer& client = request.client;
    if (client.host.empty()) return Py_NewRef(Py_None);  // of a unix socket
    if (last_host_ == nullptr || client.host != last_host_text_) {
        last_host_text_ = client.host;
        Py_XSETREF(last_host_,
                   PyUnicode_DecodeLatin1(client.host.data(),
                                          static_cast<Py_ssize_t>(client.host.size()), nullptr));
        if (last_host_ == nullptr) return nullptr;
    }
    PyObject* port = PyLong_FromLong(client.port);
    PyObject* pair = port == nullptr ? nullptr : PyTuple_New(2);
    if (pair == nullptr) {
        Py_XDECREF(port);
        return nullptr;
    }
    PyTuple_SET_ITEM(pair, 0, Py_NewRef(last_host_));
    PyTuple_SET_ITEM(pair, 1, port);
    return pair;
}

}  // namespace allcores::runtime
