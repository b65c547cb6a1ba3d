// Everything but the commonest built-in types. Of the standard library's classes only what runs no
// Python code is used here: fields, slots, methods in C.
#include "data/message_encoder.h"
// After CPython's internal headers:
#include <datetime.h>

#include "data/handed_buffers.h"
#include "data/message_move.h"

namespace allcores::data {

// True when it has opened a frame.
bool encoder::place_other(PyObject* object, bool owned) {
    PyTypeObject* type = Py_TYPE(object);
    if (type == &PySet_Type || type == &PyFrozenSet_Type) {
        open_set(object);
        return true;
    }
    if (type == &PyByteArray_Type) {
        put_bytearray(object, owned);
        return false;
    }
    if (type == &PySlice_Type) {
        out_.put(tag::slice);
        open(&reinterpret_cast<PySliceObject*>(object)->start, 3, false);
        return true;
    }
    if (type == &PyRange_Type) {
        out_.put(tag::range);
        open(&reinterpret_cast<range_object*>(object)->start, 3, false);
        return true;
    }
    if (may_be_plain(type) && place_instance(object)) return true;
    if (PyType_HasFeature(type, Py_TPFLAGS_TUPLE_SUBCLASS)) {
        if (const std::optional<bool> opened = place_named_tuple(object, owned)) return *opened;
    }
    if (type == &PyMemoryView_Type) {
        if (std::shared_ptr<foreign_memory> frozen = frozen_view_of(object)) {
            out_.put(tag::pointer, static_cast<std::uint32_t>(pointers_.size()));
            pointers_.push_back({&viewing, std::move(frozen)});
            return false;
        }
    }
    if (const pointer_type* how = pointer_type_of(type)) {
        if (how == &moving) return place_moved(object);
        const auto number = static_cast<std::uint32_t>(pointers_.size());
        pointers_.push_back({how, how->state_of(object)});
        out_.put(tag::pointer, number);
        return false;
    }
    const known which = known_type(type);
    if (which != known::other) return place_known(object, which, owned);
    put_aside(object);
    if (owned && is_numpy_array(object))
        arrays_.push_back({PyList_GET_SIZE(put_aside_.get()) - 1, false, false});
    return false;
}

void encoder::put_aside(PyObject* object) {
    if (!put_aside_) put_aside_ = checked(PyList_New(0));
    out_.put(tag::picklable, static_cast<std::uint32_t>(PyList_GET_SIZE(put_aside_.get())));
    checked(PyList_Append(put_aside_.get(), object));
}

bool encoder::place_known(PyObject* object, known which, bool owned) {
    needs_ |= std::uint32_t{1} << static_cast<unsigned>(which);
    switch (which) {
        case known::date: {
            const auto* date = reinterpret_cast<PyDateTime_Date*>(object);
            char* at = out_.room(1 + sizeof date->data);
            at = message_writer::append(at, tag::date);
            std::memcpy(at, date->data, sizeof date->data);
            return false;
        }
        case known::time: {
            const auto* time = reinterpret_cast<PyDateTime_Time*>(object);
            return place_clock(object, tag::time, time->data, sizeof time->data, time->fold,
                               time->hastzinfo ? time->tzinfo : nullptr);
        }
        case known::datetime: {
            const auto* time = reinterpret_cast<PyDateTime_DateTime*>(object);
            return place_clock(object, tag::datetime, time->data, sizeof time->data, time->fold,
                               time->hastzinfo ? time->tzinfo : nullptr);
        }
        case known::timedelta: {
            const auto* delta = reinterpret_cast<PyDateTime_Delta*>(object);
            out_.put(tag::timedelta, std::int32_t{delta->days}, std::int32_t{delta->seconds},
                     std::int32_t{delta->microseconds});
            return false;
        }
        case known::timezone:
            return place_timezone(object);
        case known::decimal:
            put_decimal(object);
            return false;
        case known::uuid:
            put_uuid(object);
            return false;
        case known::array:
            put_array(object, owned);
            return false;
        case known::name_space:
            return place_name_space(object);
        case known::other:
            break;
    }
    return false;
}

bool encoder::place_clock(PyObject*, tag what, const void* data, std::size_t bytes, int fold,
                          PyObject* zone) {
    char* at = out_.room(1 + bytes + 2);
    at = message_writer::append(at, what);
    std::memcpy(at, data, bytes);
    at = message_writer::append(at + bytes, static_cast<std::uint8_t>(fold));
    message_writer::append(at, static_cast<std::uint8_t>(zone != nullptr));
    if (zone == nullptr) return false;
    kept_.push_back(checked(PyTuple_Pack(1, zone)));
    open(reinterpret_cast<PyTupleObject*>(kept_.back().get())->ob_item, 1, false);
    return true;
}

bool encoder::place_timezone(PyObject* zone) {
    ref utc = checked(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(zone)), "utc"));
    if (utc.get() == zone) {
        out_.put(tag::timezone, std::uint8_t{2});
        return false;
    }
    ref parts = checked(PyObject_CallMethod(zone, "__getinitargs__", nullptr));
    const Py_ssize_t count = PyTuple_Check(parts.get()) ? PyTuple_GET_SIZE(parts.get()) : 0;
    if (count < 1 || count > 2) {
        PyErr_SetString(PyExc_SystemError, "allcores: a timezone of an unknown kind");
        throw python_error();
    }
    out_.put(tag::timezone, static_cast<std::uint8_t>(count == 2));
    kept_.push_back(std::move(parts));
    open(reinterpret_cast<PyTupleObject*>(kept_.back().get())->ob_item,
         static_cast<std::size_t>(count), false);
    return true;
}

void encoder::put_decimal(PyObject* object) {
    ref text = checked(PyObject_Str(object));
    Py_ssize_t size = 0;
    const char* utf8 = PyUnicode_AsUTF8AndSize(text.get(), &size);
    if (utf8 == nullptr) throw python_error();
    char* at = out_.room(9 + static_cast<std::size_t>(size));
    at = message_writer::append(at, tag::decimal);
    at = message_writer::append(at, size);
    std::memcpy(at, utf8, static_cast<std::size_t>(size));
}

void encoder::put_uuid(PyObject* object) {
    ref number = checked(PyObject_GetAttr(object, name_of(name::integer)));
    ref is_safe = checked(PyObject_GetAttr(object, name_of(name::is_safe)));
    ref value = checked(PyObject_GetAttr(is_safe.get(), name_of(name::value)));
    char content[16];
    if (PyLong_AsNativeBytes(number.get(), content, sizeof content,
                             Py_ASNATIVEBYTES_LITTLE_ENDIAN | Py_ASNATIVEBYTES_UNSIGNED_BUFFER) <
        0) {
        throw python_error();
    }
    // SafeUUID: safe 0, unsafe -1, unknown None.
    std::uint8_t safety = 1;
    if (PyLong_CheckExact(value.get())) safety = PyLong_AsLong(value.get()) == 0 ? 0 : 2;
    char* at = out_.room(2 + sizeof content);
    at = message_writer::append(at, tag::uuid);
    at = message_writer::append(at, safety);
    std::memcpy(at, content, sizeof content);
}

void encoder::put_array(PyObject* object, bool owned, bool moved, bool strict) {
    ref typecode = checked(PyObject_GetAttr(object, name_of(name::typecode)));
    const auto code = static_cast<char>(PyUnicode_READ_CHAR(typecode.get(), 0));
    Py_buffer content;
    checked(PyObject_GetBuffer(object, &content, PyBUF_SIMPLE));
    struct at_end {
        Py_buffer& held;
        ~at_end() { PyBuffer_Release(&held); }
    } released{content};
    if (content.len >= least_handed_over && can_hand_over() && knows_arrays(Py_TYPE(object))) {
        handed_block block;
        block.kind = handed_block::sort::array;
        block.typecode = code;
        block.bytes = content.len;
        PyBuffer_Release(&content);  // a buffer that is looked at can't be taken
        return put_block({.object = object,
                          .take = owned && (moved || can_take_array(object)),
                          .moved = moved,
                          .strict = strict},
                         block);
    }
    const auto size = static_cast<std::size_t>(content.len);
    char* at = out_.room(10 + size);
    at = message_writer::append(at, tag::array);
    at = message_writer::append(at, code);
    at = message_writer::append(at, size);
    std::memcpy(at, content.buf, size);
}

}  // namespace allcores::data
