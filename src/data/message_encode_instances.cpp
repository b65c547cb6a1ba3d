// Objects of plain classes: their attributes, in the order they were set. A message says once which
// attributes objects of a class have (a shape), and then only the values of each.
#include "data/message_classes.h"
#include "data/message_encoder.h"
// After CPython's internal headers:
#include <algorithm>

namespace allcores::data {
namespace {

// Of a class in a message, and of one object; others are pickled.
constexpr std::size_t most_shapes = 32, most_attributes = 1000;

}  // namespace

encoder::sent_class& encoder::class_of(PyTypeObject* type) {
    if (last_class_ < classes_.size() && classes_[last_class_].type == type)
        return classes_[last_class_];
    last_class_ = 0;
    while (last_class_ < classes_.size() && classes_[last_class_].type != type) last_class_++;
    if (last_class_ == classes_.size()) {
        sent_class& met = classes_.emplace_back();
        met.type = type;
        met.fields = fields_of_named_tuple(type);
        met.is_plain = met.fields < 0 && is_plain_class(type, met.slots);
        kept_.push_back(ref::borrow(reinterpret_cast<PyObject*>(type)));
    }
    return classes_[last_class_];
}

// The number of the shape with these names; -1: it has none, and gets none.
std::int64_t encoder::shape_of_names(sent_class& known, std::size_t count) {
    for (const shape& each : known.shapes) {
        if (each.names.size() == count && std::ranges::equal(each.names, names_))
            return each.number;
    }
    if (known.shapes.size() >= most_shapes || count > most_attributes) return -1;
    std::size_t bytes = 0;
    for (PyObject* name : names_) {
        if (!is_plain_attribute(known.type, name)) return -1;
        bytes += 1 + static_cast<std::size_t>(PyUnicode_GET_LENGTH(name));
    }
    if (known.number < 0) known.number = class_count_++;
    char* at = out_.room(1 + 2 * sizeof(std::uint32_t) + bytes);
    at = message_writer::append(at, tag::shape);
    at = message_writer::append(at, static_cast<std::uint32_t>(known.number));
    at = message_writer::append(at, static_cast<std::uint32_t>(count));
    for (PyObject* name : names_) {
        const auto length = static_cast<std::size_t>(PyUnicode_GET_LENGTH(name));
        at = message_writer::append(at, static_cast<std::uint8_t>(length));
        std::memcpy(at, PyUnicode_1BYTE_DATA(name), length);
        at += length;
    }
    known.shapes.push_back({shape_count_, names_});
    return shape_count_++;
}

// True when it has opened a frame; false: it is to be pickled.
bool encoder::place_instance(PyObject* object) {
    if (way_ != way::written) return false;
    sent_class& known = class_of(Py_TYPE(object));
    if (!known.is_plain) return false;
    names_.clear();
    PyObject** row = nullptr;      // the values, where they lie in a row in this order
    PyObject** scratch = nullptr;  // or a copy of them
    struct at_end {
        PyObject**& freed;
        ~at_end() { PyMem_RawFree(freed); }
    } guard{scratch};
    const auto make_scratch = [&](std::size_t count) {
        scratch = static_cast<PyObject**>(PyMem_RawMalloc((count + 1) * sizeof(PyObject*)));
        if (scratch == nullptr) throw std::bad_alloc();
        row = scratch;
    };
    std::size_t count = 0;
    if (!PyType_HasFeature(Py_TYPE(object), Py_TPFLAGS_INLINE_VALUES)) {
        row = reinterpret_cast<PyObject**>(object + 1);
        const bool all_set = std::all_of(row, row + known.slots.size(),
                                         [](PyObject* value) { return value != nullptr; });
        if (!all_set) make_scratch(known.slots.size());
        for (const slot_place& each : known.slots) {
            PyObject* value =
                *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + each.offset);
            if (value == nullptr) continue;
            names_.push_back(each.name);
            if (!all_set) scratch[count] = value;
            count++;
        }
    } else if (PyDictObject* dict = _PyObject_GetManagedDict(object)) {
        make_scratch(static_cast<std::size_t>(PyDict_GET_SIZE(dict)));
        Py_ssize_t position = 0;
        PyObject *name = nullptr, *value = nullptr;
        while (PyDict_Next(reinterpret_cast<PyObject*>(dict), &position, &name, &value)) {
            names_.push_back(name);
            scratch[count++] = value;
        }
    } else {
        PyDictValues* values = _PyObject_InlineValues(object);
        if (!values->valid) return false;
        PyDictKeysObject* keys =
            reinterpret_cast<PyHeapTypeObject*>(Py_TYPE(object))->ht_cached_keys;
        const PyDictUnicodeEntry* entries = DK_UNICODE_ENTRIES(keys);
        const std::uint8_t* order = get_insertion_order_array(values);
        count = values->size;
        bool in_a_row = true;
        for (std::size_t i = 0; i < count; i++) {
            names_.push_back(entries[order[i]].me_key);
            in_a_row = in_a_row && order[i] == i;
        }
        row = values->values;
        if (!in_a_row) {
            make_scratch(count);
            for (std::size_t i = 0; i < count; i++) scratch[i] = values->values[order[i]];
        }
    }
    const std::int64_t number = shape_of_names(known, count);
    if (number < 0) return false;
    out_.put(tag::instance, static_cast<std::uint32_t>(number));
    open(row, count, false, scratch);
    scratch = nullptr;
    return true;
}

// Whether it has opened a frame; none: it is to be pickled.
std::optional<bool> encoder::place_named_tuple(PyObject* object, bool owned) {
    if (way_ != way::written) return {};
    sent_class& known = class_of(Py_TYPE(object));
    if (known.fields != PyTuple_GET_SIZE(object)) return {};
    if (known.number < 0) known.number = class_count_++;
    out_.put(tag::named_tuple, static_cast<std::uint32_t>(known.number));
    PyObject** const first = reinterpret_cast<PyTupleObject*>(object)->ob_item;
    PyObject** const last = first + known.fields;
    PyObject** const rest = put_atoms(first, last, owned);
    if (rest == last) return false;
    open(rest, static_cast<std::size_t>(last - rest), owned);
    return true;
}

// True when it has opened a frame; false: it is put aside.
bool encoder::place_name_space(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    auto** dict =
        reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + type->tp_dictoffset);
    bool is_plain = way_ == way::written && type->tp_dictoffset > 0 && *dict != nullptr &&
                    PyDict_CheckExact(*dict) && !has_registered_reduction(type);
    Py_ssize_t position = 0;
    PyObject* key = nullptr;
    // (A name like __reduce_ex__ would say how it is pickled.)
    while (is_plain && PyDict_Next(*dict, &position, &key, nullptr)) {
        is_plain = PyUnicode_CheckExact(key) &&
                   !(PyUnicode_GET_LENGTH(key) > 1 && PyUnicode_READ_CHAR(key, 0) == '_' &&
                     PyUnicode_READ_CHAR(key, 1) == '_');
    }
    if (!is_plain) {
        put_aside(object);
        return false;
    }
    out_.put(tag::name_space);
    open(dict, 1, false);
    return true;
}

// Where the classes of the message's objects come from: after the walk, as it may run Python code.
void encoder::name_classes(std::vector<message_class>& named) {
    named.resize(static_cast<std::size_t>(class_count_));
    for (const sent_class& each : classes_) {
        if (each.number < 0) continue;
        ran_python_ = true;
        message_class& made = named[static_cast<std::size_t>(each.number)];
        made.fields = each.fields;
        if (const class_place* place = place_of_class(each.type)) {
            made.place = *place;
            continue;
        }
        if (!put_aside_) put_aside_ = checked(PyList_New(0));
        made.picklable = PyList_GET_SIZE(put_aside_.get());
        checked(PyList_Append(put_aside_.get(), reinterpret_cast<PyObject*>(each.type)));
    }
}

// Whether the codec has written this object itself, so that a pickle that meets it would make a
// second one.
bool encoder::has_written(PyObject* object) const {
    PyTypeObject* type = Py_TYPE(object);
    if (type == &PyList_Type || type == &PyDict_Type || type == &PySet_Type ||
        type == &PyByteArray_Type) {
        return memo_.has(object);
    }
    if (known_type(type) == known::name_space) return memo_.has(object);
    return PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) && memo_.has(object) &&
           std::ranges::any_of(classes_, [&](const sent_class& each) {
               return each.type == type && each.number >= 0;
           });
}

}  // namespace allcores::data
