#include "data/freezer.h"

#include <cstring>

#include "data/foreign_memory.h"
#include "data/freeze.h"
#include "memory/counted_pages.h"

namespace allcores::data {

freezer::~freezer() {
    for (PyObject* object : held_) Py_DECREF(object);
    for (PyObject* object : kept_) Py_DECREF(object);
    Py_XDECREF(frozen_module_);
}

PyObject* freezer::run(PyObject* root) {
    frames_.reserve(64);
    // The root may be on loan to us with one reference and still be part of a cycle.
    PyObject* result = is_settled(root) ? root : copy(root, Py_TYPE(root), 0);
    if (result != root && memo_.find(root) == nullptr) remember(root, result);
    fill();
    memory::let_counts_be_written(static_cast<std::uint64_t>(_Py_STATIC_IMMORTAL_INITIAL_REFCNT));
    arena_.close();
    return result;
}

void freezer::fill() {
    while (!frames_.empty()) {
        bool opened = false;
        switch (frames_.back().words) {
            case layout::items:
                opened = advance<layout::items>();
                break;
            case layout::pairs:
                opened = advance<layout::pairs>();
                break;
            case layout::entries:
                opened = advance<layout::entries>();
                break;
            case layout::table:
                opened = advance<layout::table>();
                break;
        }
        if (!opened) finish();
    }
}

// Places children of the last frame until one of them opens a frame of its own (true) or all are
// placed (false).
template <freezer::layout Words>
bool freezer::advance() {
    constexpr std::size_t ahead = most_prefetched;
    const std::size_t depth = frames_.size();
    frame* const here = &frames_.back();  // good until a frame is opened
    PyObject* const* const source = here->source;
    PyObject** const slots = here->slots;
    const std::size_t size = here->size;
    for (std::size_t i = here->next; i < size; i++) {
        bool is_key = false;
        if constexpr (Words == layout::entries) {
            slots[i] = source[i];
            if (i % 3 == 0) continue;
            is_key = i % 3 == 1;
        } else if constexpr (Words == layout::table) {
            slots[i] = source[i];
            // An empty slot, or CPython's mark for a removed element, whose hash is -1.
            if (i % 2 == 1 || source[i] == nullptr ||
                reinterpret_cast<Py_hash_t>(source[i + 1]) == -1) {
                continue;
            }
            is_key = true;
        } else if constexpr (Words == layout::pairs) {
            is_key = i % 2 == 0;
        }
        if (i + ahead < size) __builtin_prefetch(source[i + ahead]);
        converted_ = own_hash_ = false;
        here->next = i + 1;  // so that the path in a message ends with this child
        slots[i] = place(source[i]);
        if (converted_ || own_hash_) [[unlikely]] {
            frame& open = frames_[depth - 1];
            open.converted |= converted_;
            open.rebuild |= converted_ && is_key;
            open.own_hash |= own_hash_;
        }
        if (frames_.size() != depth) {
            frames_[depth].as_key = is_key;
            return true;
        }
    }
    return false;
}

// The frozen form of an object. A container's is opened by it: a new last frame.
PyObject* freezer::place(PyObject* object) {
    if (_Py_IsStaticImmortal(object) && is_settled(object)) {
        if (!has_frozendict && Py_TYPE(object) == mapping_type()) own_hash_ = true;
        return object;
    }
    const bool shared = careful_ || Py_REFCNT(object) > 1;
    if (shared) {
        if (const std::uintptr_t* value = memo_.find(object)) return known(object, *value);
    }
    PyObject* made = copy(object, Py_TYPE(object), 0);
    if (shared) remember(object, made);
    return made;
}

PyObject* freezer::known(PyObject*, std::uintptr_t value) {
    auto* made = reinterpret_cast<PyObject*>(value & ~std::uintptr_t{1});
    converted_ = (value & 1) != 0;
    PyTypeObject* type = Py_TYPE(made);
    if (type == mapping_type()) {
        own_hash_ = !has_frozendict || hash_of_frozen(made) == unfinished;
    } else if (type == &PyTuple_Type || type == &PyFrozenSet_Type) {
        own_hash_ = hash_of_frozen(made) == unfinished;
    }
    return made;
}

void freezer::remember(PyObject* object, PyObject* made) {
    memo_.insert(object, reinterpret_cast<std::uintptr_t>(made) | (converted_ ? 1 : 0));
    if (careful_) {
        kept_.push_back(object);
        Py_INCREF(object);
    }
}

PyObject* freezer::copy(PyObject* object, PyTypeObject* type, shape_word shape) {
    if (type == &PyLong_Type) return copy_int(object, shape);
    if (type == &PyFloat_Type) return copy_float(object, shape);
    if (type == &PyUnicode_Type) return copy_str(object, shape);
    if (type == &PyTuple_Type) {
        auto* tuple = reinterpret_cast<PyTupleObject*>(object);
        return open_items(object, tuple->ob_item, Py_SIZE(tuple), shape);
    }
    if (type == &PyList_Type) {
        auto* list = reinterpret_cast<PyListObject*>(object);
        if (shape == 0) shape = word_of(shape_kind::list);
        return open_items(object, list->ob_item, Py_SIZE(list), shape);
    }
    if (type == &PyDict_Type) return open_mapping(object, object, shape);
    if (type == &PyBytes_Type) {
        return copy_bytes(PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object), shape);
    }
    if (type == &PyFrozenSet_Type) return open_set(object, shape);
    if (type == &PySet_Type) return open_set(object, shape == 0 ? word_of(shape_kind::set) : shape);
    if (type == &PyComplex_Type) return copy_complex(object, shape);
    if (type == &PyByteArray_Type) {
        if (shape == 0) shape = word_of(shape_kind::bytearray);
        return copy_bytes(PyByteArray_AS_STRING(object), PyByteArray_GET_SIZE(object), shape);
    }
    if (type == &PyRange_Type) return copy_range(object, shape);
    if (has_frozendict && type == mapping_type()) {
        return open_mapping(object, object, shape == 0 ? word_of(shape_kind::frozendict) : shape);
    }
    if (type == &PyDictProxy_Type) {
        PyObject* mapping = reinterpret_cast<proxy_object*>(object)->mapping;
        if (Py_IS_TYPE(mapping, &PyDict_Type) ||
            (has_frozendict && Py_IS_TYPE(mapping, mapping_type()))) {
            return open_mapping(object, mapping, shape == 0 ? word_of(shape_kind::proxy) : shape);
        }
    }
    return convert(object, type, shape);
}

// The last frame's children are all placed, and their own hashes filled: fill its.
void freezer::finish() {
    frame& open = frames_.back();
    open.next = 0;  // what is wrong now is wrong with the container, not with a child
    switch (open.what) {
        case sort::tuple:
            fill_tuple_hash(reinterpret_cast<PyTupleObject*>(open.target));
            break;
        case sort::set:
            finish_set(open);
            break;
        case sort::mapping:
            finish_mapping(open);
            break;
    }
    if (open.converted) {
        if (std::uintptr_t* value = memo_.find(open.origin)) *value |= 1;
    }
    const bool as_key = open.as_key, converted = open.converted;
    // A parent's hash is not CPython's when it holds a mapping of 3.14, which CPython can't hash.
    const bool own_hash = !has_frozendict && open.what == sort::mapping;
    std::size_t held = open.held;
    frames_.pop_back();
    if (!frames_.empty()) {
        frame& parent = frames_.back();
        parent.converted |= converted;
        parent.rebuild |= converted && as_key;
        parent.own_hash |= own_hash;
    }
    while (held_.size() > held) {
        PyObject* object = held_.back();
        held_.pop_back();
        Py_DECREF(object);
    }
}

namespace {

PyObject* freeze_or_throw(PyObject* object) {
    try {
        return freezer(false).run(object);
    } catch (const needs_care&) {
        return freezer(true).run(object);
    }
}

// What is no object in an arena, with the work in Python: a new reference, or null.
PyObject* call_frozen(const char* function, PyObject* object) {
    PyObject* module = PyImport_ImportModule("allcores._frozen");
    if (module == nullptr) return nullptr;
    PyObject* made = PyObject_CallMethod(module, function, "(O)", object);
    Py_DECREF(module);
    return made;
}

// Whether it was given up because of a buffer, which is then no error any more.
bool holds_buffer() {
    PyObject* raised = PyErr_GetRaisedException();
    const bool found =
        raised != nullptr && std::strcmp(Py_TYPE(raised)->tp_name, "HoldsBuffer") == 0;
    if (found) {
        Py_DECREF(raised);
    } else {
        PyErr_SetRaisedException(raised);
    }
    return found;
}

}  // namespace

PyObject* freeze(PyObject* object) {
    if (is_frozen(object)) return Py_NewRef(object);
    try {
        return Py_NewRef(freeze_or_throw(object));
    } catch (const python_error&) {
        return holds_buffer() ? call_frozen("freeze_around", object) : nullptr;
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
}

bool is_frozen(PyObject* object) {
    return is_settled(object) || frozen_memory_of(object) != nullptr;
}

}  // namespace allcores::data
