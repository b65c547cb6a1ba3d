#include "bindings/channel_priority.h"

#include <cmath>
#include <stdexcept>

#include "data/guarded.h"

namespace allcores::bindings {
namespace {

using data::checked;
using data::python_error;
using data::ref;

constexpr int deepest = 100;

// False when an object has no order of its own here.
bool read(PyObject* object, priority& made, int depth) {
    if (PyLong_Check(object)) {
        const long long number = PyLong_AsLongLong(object);
        if (number == -1 && PyErr_Occurred()) throw python_error();
        made.what = priority::kind::number;
        made.number = static_cast<long double>(number);
    } else if (PyFloat_Check(object)) {
        const double number = PyFloat_AS_DOUBLE(object);
        if (std::isnan(number)) throw std::invalid_argument("NaN is no priority: it has no order");
        made.what = priority::kind::number;
        made.number = number;
    } else if (PyUnicode_Check(object)) {
        ref utf8 = checked(PyUnicode_AsEncodedString(object, "utf-8", "surrogatepass"));
        made.what = priority::kind::text;
        made.text.assign(PyBytes_AS_STRING(utf8.get()),
                         static_cast<std::size_t>(PyBytes_GET_SIZE(utf8.get())));
    } else if (PyBytes_Check(object)) {
        made.what = priority::kind::bytes;
        made.text.assign(PyBytes_AS_STRING(object),
                         static_cast<std::size_t>(PyBytes_GET_SIZE(object)));
    } else if (PyTuple_Check(object) && depth < deepest) {
        made.what = priority::kind::tuple;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); ++i) {
            priority part;
            if (!read(PyTuple_GET_ITEM(object, i), part, depth + 1)) break;
            made.parts.push_back(std::move(part));
        }
    } else {
        return false;
    }
    return true;
}

int compare(const priority& one, const priority& other) {
    if (one.what != other.what) return one.what < other.what ? -1 : 1;
    if (one.what == priority::kind::number) {
        return one.number < other.number ? -1 : one.number > other.number ? 1 : 0;
    }
    if (one.what != priority::kind::tuple) return one.text.compare(other.text);
    for (std::size_t i = 0; i < one.parts.size() && i < other.parts.size(); ++i) {
        const int result = compare(one.parts[i], other.parts[i]);
        if (result != 0) return result;
    }
    return one.parts.size() < other.parts.size()   ? -1
           : one.parts.size() > other.parts.size() ? 1
                                                   : 0;
}

}  // namespace

std::unique_ptr<priority> priority::of(PyObject* item) {
    auto made = std::make_unique<priority>();
    if (read(item, *made, 0)) return made;
    PyErr_Format(PyExc_TypeError,
                 "a PriorityQueue orders numbers, str, bytes and tuples that begin with them, "
                 "not a %s",
                 Py_TYPE(item)->tp_name);
    throw python_error();
}

bool priority::less(const priority& other) const {
    return compare(*this, other) < 0;
}

}  // namespace allcores::bindings
