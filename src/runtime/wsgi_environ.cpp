#include "runtime/wsgi_environ.h"

#include <charconv>
#include <cstring>

#include "http/syntax.h"

namespace allcores::runtime {

namespace {

PyObject* latin1(std::string_view text) {
    return PyUnicode_DecodeLatin1(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
}

bool is_same(PyObject* text, std::string_view bytes) {
    return text != nullptr && PyUnicode_GET_LENGTH(text) == static_cast<Py_ssize_t>(bytes.size()) &&
           std::memcmp(PyUnicode_DATA(text), bytes.data(), bytes.size()) == 0;
}

std::size_t slot_of(std::string_view text, std::size_t slots) {
    std::size_t hash = text.size();
    for (const char c : text) hash = hash * 31 + static_cast<unsigned char>(c);
    return (hash ^ (hash >> 6)) % slots;
}

// Room for the fields of most requests, so that a copy need not grow: what is taken out again has
// made the table larger.
bool make_room(PyObject* dict) {
    constexpr int entries = 24;
    PyObject* extra = PyList_New(0);
    bool good = extra != nullptr;
    for (int i = 0; good && PyDict_GET_SIZE(dict) < entries; ++i) {
        PyObject* key = PyUnicode_FromFormat("%d", i);
        good = key != nullptr && PyDict_SetItem(dict, key, Py_None) == 0 &&
               PyList_Append(extra, key) == 0;
        Py_XDECREF(key);
    }
    for (Py_ssize_t i = 0; good && i < PyList_GET_SIZE(extra); ++i) {
        good = PyDict_DelItem(dict, PyList_GET_ITEM(extra, i)) == 0;
    }
    Py_XDECREF(extra);
    return good;
}

bool set_text(PyObject* dict, const char* key, std::string_view text) {
    PyObject* value = latin1(text);
    const bool good = value != nullptr && PyDict_SetItemString(dict, key, value) == 0;
    Py_XDECREF(value);
    return good;
}

// "Content-Type" as CONTENT_TYPE, others with HTTP_ in front.
std::string key_of(std::string_view name) {
    std::string key;
    if (!http::equal_ignoring_case(name, "content-type") &&
        !http::equal_ignoring_case(name, "content-length")) {
        key = "HTTP_";
    }
    for (const char c : name) {
        const char low = http::to_lower(c);
        key.push_back(c == '-'                   ? '_'
                      : low >= 'a' && low <= 'z' ? static_cast<char>(low & ~0x20)
                                                 : c);
    }
    return key;
}

}  // namespace

wsgi_environ::~wsgi_environ() {
    Py_XDECREF(common_);
    for (PyObject* each : keys_) Py_XDECREF(each);
    for (PyObject* each : methods_) Py_XDECREF(each);
    for (PyObject* each : protocols_) Py_XDECREF(each);
    for (PyObject* each : {method_, target_, client_host_}) Py_XDECREF(each);
    for (port_slot& each : ports_) Py_XDECREF(each.text);
    for (field_slot& each : fields_) {
        Py_XDECREF(each.key);
        Py_XDECREF(each.value);
    }
    for (path_slot& each : paths_) Py_XDECREF(each.decoded);
}

bool wsgi_environ::prepare(PyObject* common, const net::address& address) {
    static constexpr const char* names[key_count] = {
        "REQUEST_METHOD",  "PATH_INFO",   "QUERY_STRING", "RAW_URI",    "REQUEST_URI",
        "SERVER_PROTOCOL", "REMOTE_ADDR", "REMOTE_PORT",  "wsgi.input",
    };
    common_ = PyDict_Copy(common);
    // A unix socket has neither, and PEP 3333 wants both.
    const bool is_unix = address.host().empty();
    if (common_ == nullptr ||
        !set_text(common_, "SERVER_NAME", is_unix ? "localhost" : address.host()) ||
        !set_text(common_, "SERVER_PORT", is_unix ? "80" : std::to_string(address.port()))) {
        return false;
    }
    // All keys are there, so that setting them later needs no room.
    for (std::size_t i = 0; i < key_count; ++i) {
        keys_[i] = PyUnicode_InternFromString(names[i]);
        if (keys_[i] == nullptr || PyDict_SetItem(common_, keys_[i], Py_None) < 0) return false;
    }
    if (!make_room(common_)) return false;
    protocols_ = {PyUnicode_InternFromString("HTTP/1.0"), PyUnicode_InternFromString("HTTP/1.1")};
    if (protocols_[0] == nullptr || protocols_[1] == nullptr) return false;
    PyObject* script_name = PyDict_GetItemString(common, "SCRIPT_NAME");
    Py_ssize_t size = 0;
    const char* text =
        script_name == nullptr ? nullptr : PyUnicode_AsUTF8AndSize(script_name, &size);
    if (text == nullptr) {
        PyErr_SetString(PyExc_SystemError, "wsgi_environ: SCRIPT_NAME is missing");
        return false;
    }
    script_name_.assign(text, static_cast<std::size_t>(size));
    return true;
}

PyObject* wsgi_environ::make(const http::request& request, PyObject* input) {
    Py_CLEAR(method_);
    Py_CLEAR(target_);
    method_ = method_of(request);
    PyObject* path = method_ == nullptr ? nullptr : path_of(request.path);
    // Most targets are nothing but a path without escapes.
    if (path != nullptr) {
        target_ = is_same(path, request.target) ? Py_NewRef(path) : latin1(request.target);
    }
    if (target_ == nullptr) {
        Py_XDECREF(path);
        return nullptr;
    }
    const bool good = set(path_info, path) & set(request_method, Py_NewRef(method_)) &
                      set(query_string, latin1(request.query)) & set(raw_uri, Py_NewRef(target_)) &
                      set(request_uri, Py_NewRef(target_)) &
                      set(protocol, Py_NewRef(protocols_[request.minor ? 1 : 0])) &
                      set(input_stream, Py_NewRef(input)) & set_client(request.client);
    PyObject* environ = good ? PyDict_Copy(common_) : nullptr;
    if (environ == nullptr) return nullptr;
    if ((request.scheme == "http" || set_text(environ, "wsgi.url_scheme", "https")) &&
        add_fields(environ, request)) {
        return environ;
    }
    Py_DECREF(environ);
    return nullptr;
}

bool wsgi_environ::set(key which, PyObject* stolen_value) {
    if (stolen_value == nullptr) return false;
    if (last_[which] == stolen_value) {
        Py_DECREF(stolen_value);
        return true;
    }
    last_[which] = nullptr;
    const bool good = PyDict_SetItem(common_, keys_[which], stolen_value) == 0;
    if (good) last_[which] = stolen_value;
    Py_DECREF(stolen_value);
    return good;
}

PyObject* wsgi_environ::method_of(const http::request& request) {
    if (request.method_number >= methods_.size()) return latin1(request.method);
    PyObject*& slot = methods_[request.method_number];
    if (slot == nullptr) {
        slot = latin1(request.method);
        if (slot == nullptr) return nullptr;
        PyUnicode_InternInPlace(&slot);
    }
    return Py_NewRef(slot);
}

PyObject* wsgi_environ::path_of(std::string_view raw) {
    if (raw.size() > path_slot::longest) return decode_path(raw);
    path_slot& slot = paths_[slot_of(raw, paths_.size())];
    if (slot.decoded != nullptr && slot.size == raw.size() &&
        std::memcmp(slot.raw.data(), raw.data(), raw.size()) == 0) {
        return Py_NewRef(slot.decoded);
    }
    PyObject* decoded = decode_path(raw);
    if (decoded == nullptr) return nullptr;
    std::memcpy(slot.raw.data(), raw.data(), raw.size());
    slot.size = static_cast<std::uint8_t>(raw.size());
    Py_XSETREF(slot.decoded, Py_NewRef(decoded));
    return decoded;
}

// The bytes that the escapes stand for, as Latin-1, which is how PEP 3333 has bytes in strings.
// What is under SCRIPT_NAME begins after it.
PyObject* wsgi_environ::decode_path(std::string_view raw) const {
    std::string decoded;
    if (raw.contains('%')) {
        decoded.reserve(raw.size());
        for (std::size_t i = 0; i < raw.size(); ++i) {
            const int high = raw[i] == '%' && i + 2 < raw.size() ? http::hex_value(raw[i + 1]) : -1;
            const int low = high < 0 ? -1 : http::hex_value(raw[i + 2]);
            if (low < 0) {
                decoded.push_back(raw[i]);
            } else {
                decoded.push_back(static_cast<char>(high * 16 + low));
                i += 2;
            }
        }
        raw = decoded;
    }
    if (!script_name_.empty() && raw.starts_with(script_name_) &&
        (raw.size() == script_name_.size() || raw[script_name_.size()] == '/')) {
        raw.remove_prefix(script_name_.size());
    }
    return latin1(raw);
}

bool wsgi_environ::set_client(const http::peer& client) {
    if (!is_same(client_host_, client.host)) {
        PyObject* host = latin1(client.host);
        if (host == nullptr) return false;
        Py_XSETREF(client_host_, host);
    }
    return set(remote_address, Py_NewRef(client_host_)) && set(remote_port, port_of(client.port));
}

PyObject* wsgi_environ::port_of(std::uint16_t number) {
    port_slot& slot = ports_[number % ports_.size()];
    if (slot.text == nullptr || slot.number != number) {
        PyObject* text = PyUnicode_FromFormat("%d", static_cast<int>(number));
        if (text == nullptr) return nullptr;
        Py_XSETREF(slot.text, text);
        slot.number = number;
    }
    return Py_NewRef(slot.text);
}

bool wsgi_environ::add_fields(PyObject* environ, const http::request& request) {
    for (const http::field& each : request.headers) {
        if (!add_field(environ, each)) return false;
    }
    return true;
}

bool wsgi_environ::add_field(PyObject* environ, const http::field& field) {
    const std::string_view name = field.name;
    // It would look like the same name with a hyphen, which a proxy in front may vouch for.
    if (name.contains('_')) return true;
    if (name.size() > field_slot::longest_name) {
        PyObject* key = latin1(key_of(name));
        PyObject* value = key == nullptr ? nullptr : latin1(field.value);
        const bool good = value != nullptr && add_under(environ, key, value, false);
        Py_XDECREF(key);
        Py_XDECREF(value);
        return good;
    }
    field_slot& slot = fields_[slot_of(name, fields_.size())];
    if (slot.key == nullptr || slot.size != name.size() ||
        std::memcmp(slot.name.data(), name.data(), name.size()) != 0) {
        PyObject* key = latin1(key_of(name));
        if (key == nullptr) return false;
        Py_XSETREF(slot.key, key);
        Py_CLEAR(slot.value);
        std::memcpy(slot.name.data(), name.data(), name.size());
        slot.size = static_cast<std::uint8_t>(name.size());
        slot.is_cookie = http::equal_ignoring_case(name, "cookie");
    }
    if (field.value.size() > field_slot::longest_value) {
        PyObject* value = latin1(field.value);
        const bool good = value != nullptr && add_under(environ, slot.key, value, slot.is_cookie);
        Py_XDECREF(value);
        return good;
    }
    if (!is_same(slot.value, field.value)) {
        PyObject* value = latin1(field.value);
        if (value == nullptr) return false;
        Py_XSETREF(slot.value, value);
    }
    return add_under(environ, slot.key, slot.value, slot.is_cookie);
}

// Fields of one name are one value (RFC 9110, 5.3; for cookies RFC 6265).
bool wsgi_environ::add_under(PyObject* environ, PyObject* key, PyObject* value, bool is_cookie) {
    PyObject* before = nullptr;
    const int status = PyDict_SetDefaultRef(environ, key, value, &before);
    if (status == 1) {
        PyObject* joined = PyUnicode_FromFormat(is_cookie ? "%U; %U" : "%U, %U", before, value);
        Py_DECREF(before);
        if (joined == nullptr) return false;
        const int set_status = PyDict_SetItem(environ, key, joined);
        Py_DECREF(joined);
        return set_status == 0;
    }
    Py_XDECREF(before);
    return status == 0;
}

}  // namespace allcores::runtime
