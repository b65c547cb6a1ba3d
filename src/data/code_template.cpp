// Making a template of code.
#include "data/code_template.h"
// After CPython's internal headers:
#include <internal/pycore_setobject.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "data/code_template_parts.h"
#include "data/freeze_memo.h"

namespace allcores::data {

class code_template::builder {
 public:
    builder(code_template& made, constants_to_add& shared) : made_(made), shared_(shared) {}

    // The place of an object, once all that is in it has one. False: it is of a type that is not
    // known here. (The marshal module nests no deeper than 2,000, the compiler less.)
    bool add(PyObject* object, place& result) {
        if (const std::uintptr_t* found = places_.find(object)) {
            result = static_cast<place>(*found);
            return true;
        }
        if (PyUnicode_CheckExact(object)) {
            if (!add_string(object, result)) return false;
        } else if (is_settled(object) || object == Py_Ellipsis) {
            result = listed(made_.settled_, object, of_settled);
        } else if (is_number(object)) {
            result = listed(made_.settled_, shared_.number(object), of_settled);
        } else if (PyTuple_CheckExact(object)) {
            if (!add_tuple(object, result)) return false;
        } else if (PyCode_Check(object)) {
            if (!add_code(object, result)) return false;
        } else if (PyBytes_CheckExact(object)) {
            // C code that is given a constant, by ctypes say, may write into it, which it must not
            // and gets away with. So it stays one of the interpreter's own.
            const auto size = static_cast<std::size_t>(Py_SIZE(object));
            if (!begin(step_kind::bytes, size)) return false;
            add_bytes(PyBytes_AS_STRING(object), size);
            result = made_one(nullptr);
        } else if (PyFrozenSet_CheckExact(object)) {
            if (!add_frozenset(object, result)) return false;
        } else if (PySlice_Check(object)) {
            if (!add_slice(object, result)) return false;
        } else {
            return false;
        }
        places_.insert(object, result);
        return true;
    }

 private:
    static place listed(std::vector<PyObject*>& objects, PyObject* object, list which) {
        objects.push_back(object);
        return static_cast<place>(objects.size() - 1) | which << list_shift;
    }
    place made_one(PyObject* alternative) {
        return listed(made_.alternatives_, alternative, of_made);
    }
    bool begin(step_kind kind, std::size_t count) {
        if (count > most_counted) return false;
        made_.steps_.push_back(
            static_cast<std::uint32_t>(count << kind_bits | std::to_underlying(kind)));
        return true;
    }
    void add_bytes(const char* data, std::size_t size) {
        const std::size_t before = made_.steps_.size();
        made_.steps_.resize(before + words_for(size));
        if (size != 0) std::memcpy(&made_.steps_[before], data, size);
    }
    void add_places(std::size_t first) {
        made_.steps_.insert(made_.steps_.end(),
                            places_to_write_.begin() + static_cast<std::ptrdiff_t>(first),
                            places_to_write_.end());
        places_to_write_.resize(first);
    }

    // CPython's own static strings are everybody's. Those that are names were found as the code was
    // unmarshalled; the others are short, "<module>" for one.
    static constexpr Py_ssize_t longest_static = 64;

    bool add_string(PyObject* object, place& result) {
        const auto& state = reinterpret_cast<PyASCIIObject*>(object)->state;
        if (!state.compact) return false;
        if (state.interned == SSTATE_NOT_INTERNED &&
            PyUnicode_GET_LENGTH(object) <= longest_static) {
            object = shared_.without_mutex([object] {
                PyObject* interned = Py_NewRef(object);
                PyUnicode_InternInPlace(&interned);
                Py_DECREF(interned);  // its table has it, or the code
                return interned;
            });
        }
        const bool is_frozen = memory::frozen_space::contains(object);
        if (!is_frozen && is_settled(object)) {
            result = listed(made_.settled_, object, of_settled);
        } else {
            // A frozen one is the process's: the interpreter's table has no others.
            PyObject* shared = is_frozen ? object : shared_.atom(object);
            result = listed(made_.strings_, shared, of_strings);
        }
        return true;
    }

    bool add_all(PyObject* const* items, std::size_t count) {
        for (std::size_t i = 0; i < count; i++) {
            place item = 0;
            if (!add(items[i], item)) return false;
            places_to_write_.push_back(item);
        }
        return true;
    }

    bool add_tuple(PyObject* object, place& result) {
        const std::size_t first = places_to_write_.size();
        const auto count = static_cast<std::size_t>(Py_SIZE(object));
        if (!add_all(items_of(object), count)) return false;
        items_.clear();
        bool has_strings = false;
        for (std::size_t i = first; i < places_to_write_.size(); i++) {
            PyObject* item = fixed(places_to_write_[i]);
            if (item == nullptr) break;
            has_strings = has_strings || (places_to_write_[i] >> list_shift) != of_settled;
            items_.push_back(item);
        }
        PyObject* alternative = items_.size() == count ? shared_.tuple(items_) : nullptr;
        if (alternative != nullptr && !has_strings) {
            places_to_write_.resize(first);
            result = listed(made_.settled_, alternative, of_settled);
            return true;
        }
        if (!begin(step_kind::tuple, count)) return false;
        add_places(first);
        result = made_one(alternative);
        return true;
    }

    PyObject* fixed(place item) const {
        const place index = item & ((place{1} << list_shift) - 1);
        switch (item >> list_shift) {
            case of_strings:
                return made_.strings_[index];
            case of_settled:
                return made_.settled_[index];
            default:
                return made_.alternatives_[index];
        }
    }

    bool add_frozenset(PyObject* object, place& result) {
        const std::size_t first = places_to_write_.size();
        Py_ssize_t at = 0;
        PyObject* item = nullptr;
        Py_hash_t hash = 0;
        std::size_t count = 0;
        while (_PySet_NextEntry(object, &at, &item, &hash) != 0) {
            if (!add_all(&item, 1)) return false;
            count++;
        }
        if (!begin(step_kind::frozenset, count)) return false;
        add_places(first);
        result = made_one(nullptr);
        return true;
    }

    bool add_slice(PyObject* object, place& result) {
        const std::size_t first = places_to_write_.size();
        const auto* its = reinterpret_cast<PySliceObject*>(object);
        const std::array parts = {its->start, its->stop, its->step};
        if (!add_all(parts.data(), parts.size()) || !begin(step_kind::slice, 0)) return false;
        add_places(first);
        result = made_one(nullptr);
        return true;
    }

    bool add_code(PyObject* object, place& result) {
        auto* code = reinterpret_cast<PyCodeObject*>(object);
        // What is filled in later.
        if (code->co_weakreflist != nullptr || code->co_executors != nullptr ||
            code->_co_cached != nullptr || code->_co_instrumentation_version != 0 ||
            code->_co_monitoring != nullptr || code->co_extra != nullptr)
            return false;
        const std::size_t first = places_to_write_.size();
        for (PyObject* PyCodeObject::* part : code_parts) {
            PyObject* its = code->*part;
            if (PyBytes_CheckExact(its) && !is_settled(its)) {
                // A table: nobody is given it to write into.
                places_to_write_.push_back(listed(made_.settled_, shared_.atom(its), of_settled));
            } else if (!add_all(&its, 1)) {
                return false;
            }
        }
        const auto units = static_cast<std::size_t>(Py_SIZE(code));
        if (!begin(step_kind::code, units)) return false;
        add_bytes(reinterpret_cast<const char*>(code) + code_first, code_together);
        made_.steps_.push_back(static_cast<std::uint32_t>(code->_co_firsttraceable));
        add_places(first);
        add_bytes(code->co_code_adaptive, units * unit_size);
        result = made_one(nullptr);
        return true;
    }

    code_template& made_;
    constants_to_add& shared_;
    address_map places_;                  // of the objects that are there
    std::vector<place> places_to_write_;  // of what is in those that are being added
    std::vector<PyObject*> items_;        // of a tuple
};

bool code_template::take(PyObject* code) {
    constants_to_add shared;
    place root = 0;
    if (!PyCode_Check(code) || !builder(*this, shared).add(code, root)) return false;
    if (std::max({strings_.size(), settled_.size(), alternatives_.size()}) >> list_shift != 0)
        return false;
    for (auto* each : {&strings_, &settled_, &alternatives_}) each->shrink_to_fit();
    steps_.shrink_to_fit();
    return true;
}

std::size_t code_template::bytes() const noexcept {
    return (strings_.size() + settled_.size() + alternatives_.size()) * sizeof(PyObject*) +
           steps_.size() * sizeof(std::uint32_t);
}

}  // namespace allcores::data
