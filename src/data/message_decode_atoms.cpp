// New objects without others in them.
#include "data/message_decoder.h"
// After CPython's internal headers:
#include <datetime.h>

#include "data/handed_buffers.h"

namespace allcores::data {
namespace {

PyDateTime_CAPI& datetimes(const known_classes& classes) {
    return *static_cast<PyDateTime_CAPI*>(classes.datetime_api);
}

// As CPython keeps them in an object, big endian.
int year_of(const std::uint8_t* data) {
    return data[0] << 8 | data[1];
}
int microsecond_of(const std::uint8_t* data) {
    return data[0] << 16 | data[1] << 8 | data[2];
}

}  // namespace

PyObject* decoder::text() {
    const auto kind = take<std::uint8_t>();
    const bool is_ascii = take<std::uint8_t>() != 0;
    const auto hash = take<Py_hash_t>();
    const auto length = take<std::size_t>();
    const Py_UCS4 most = is_ascii ? 127 : kind == 1 ? 255 : kind == 2 ? 0xFFFF : 0x10FFFF;
    PyObject* made = PyUnicode_New(static_cast<Py_ssize_t>(length), most);
    const char* from = take_bytes(length * kind);
    if (made == nullptr || length == 0) return made;
    std::memcpy(PyUnicode_DATA(made), from, length * kind);
    reinterpret_cast<PyASCIIObject*>(made)->hash = hash;
    return made;
}

PyObject* decoder::block() {
    handed_block& block = body_->more->blocks[take<std::uint32_t>()];
    switch (block.kind) {
        case handed_block::sort::bytearray:
            return make_bytearray(block, keeps_);
        case handed_block::sort::array:
            return make_array(reinterpret_cast<PyTypeObject*>(classes_->array), block, keeps_);
        case handed_block::sort::object:
            break;
    }
    auto* object = static_cast<PyObject*>(block.memory);
    if (!keeps_ && can_hand_over()) {
        adopt(std::exchange(block.memory, nullptr));
        return object;
    }
    if (PyBytes_CheckExact(object))
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object));
    return PyUnicode_FromKindAndData(static_cast<int>(PyUnicode_KIND(object)),
                                     PyUnicode_DATA(object), PyUnicode_GET_LENGTH(object));
}

PyObject* decoder::date() {
    const auto* data = reinterpret_cast<const std::uint8_t*>(take_bytes(_PyDateTime_DATE_DATASIZE));
    PyDateTime_CAPI& api = datetimes(*classes_);
    return api.Date_FromDate(year_of(data), data[2], data[3], api.DateType);
}

PyObject* decoder::timedelta() {
    const int days = take<std::int32_t>(), seconds = take<std::int32_t>();
    const int microseconds = take<std::int32_t>();
    PyDateTime_CAPI& api = datetimes(*classes_);
    return api.Delta_FromDelta(days, seconds, microseconds, 0, api.DeltaType);
}

PyObject* decoder::clock(const frame& open, PyObject* zone) {
    const std::uint8_t* data = open.data;
    PyDateTime_CAPI& api = datetimes(*classes_);
    if (open.what == sort::time) {
        return api.Time_FromTimeAndFold(data[0], data[1], data[2], microsecond_of(data + 3), zone,
                                        open.fold, api.TimeType);
    }
    return api.DateTime_FromDateAndTimeAndFold(year_of(data), data[2], data[3], data[4], data[5],
                                               data[6], microsecond_of(data + 7), zone, open.fold,
                                               api.DateTimeType);
}

PyObject* decoder::timezone(PyObject* offset, PyObject* name) {
    return datetimes(*classes_).TimeZone_FromTimeZone(offset, name);
}

PyObject* decoder::utc() {
    return Py_NewRef(datetimes(*classes_).TimeZone_UTC);
}

PyObject* decoder::decimal() {
    const auto size = take<Py_ssize_t>();
    ref text =
        checked(PyUnicode_FromStringAndSize(take_bytes(static_cast<std::size_t>(size)), size));
    return PyObject_CallOneArg(classes_->decimal, text.get());
}

// As UUID's own constructor does it, without that: it is written in Python.
PyObject* decoder::uuid() {
    const auto safety = take<std::uint8_t>();
    ref number = checked(PyLong_FromNativeBytes(
        take_bytes(16), 16, Py_ASNATIVEBYTES_LITTLE_ENDIAN | Py_ASNATIVEBYTES_UNSIGNED_BUFFER));
    auto* type = reinterpret_cast<PyTypeObject*>(classes_->uuid);
    ref made = checked(type->tp_alloc(type, 0));
    checked(PyObject_GenericSetAttr(made.get(), name_of(name::integer), number.get()));
    checked(
        PyObject_GenericSetAttr(made.get(), name_of(name::is_safe), classes_->uuid_safety[safety]));
    return made.release();
}

PyObject* decoder::array() {
    const auto typecode = take<char>();
    const auto size = take<std::size_t>();
    const char* content = take_bytes(size);
    ref made = make_empty_array(classes_->array, typecode);
    if (size == 0) return made.release();
    ref view = checked(PyMemoryView_FromMemory(const_cast<char*>(content),
                                               static_cast<Py_ssize_t>(size), PyBUF_READ));
    ref none = checked(PyObject_CallMethodOneArg(made.get(), name_of(name::frombytes), view.get()));
    return made.release();
}

PyObject* decoder::atom(tag what) {
    switch (what) {
        case tag::int_8:
            return PyLong_FromLongLong(take<long long>());
        case tag::int_many: {
            const auto size = take<std::size_t>();
            return PyLong_FromNativeBytes(take_bytes(size), size, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
        }
        case tag::complex:
            return PyComplex_FromCComplex(take<Py_complex>());
        case tag::text:
            return text();
        case tag::bytearray: {
            const auto size = take<Py_ssize_t>();
            return PyByteArray_FromStringAndSize(take_bytes(static_cast<std::size_t>(size)), size);
        }
        case tag::date:
            return date();
        case tag::timedelta:
            return timedelta();
        case tag::decimal:
            return decimal();
        case tag::uuid:
            return uuid();
        case tag::array:
            return array();
        case tag::block:
            return block();
        case tag::picklable:
            return Py_NewRef(PyList_GET_ITEM(unpickled_.get(), take<std::uint32_t>()));
        case tag::pointer: {
            pointed& one = body_->more->pointers[take<std::uint32_t>()];
            std::shared_ptr<void> state = keeps_ ? one.state : std::move(one.state);
            return one.how->object_for(class_for(one.how), std::move(state));
        }
        default:
            PyErr_SetString(PyExc_SystemError, "allcores: a message with an unknown tag");
            return nullptr;
    }
}

}  // namespace allcores::data
