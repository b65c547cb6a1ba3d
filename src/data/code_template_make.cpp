// Making code of a template.
#include "data/code_template.h"
// After CPython's internal headers:
#include <internal/pycore_interp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <span>
#include <utility>

#include "data/code_template_parts.h"
#include "data/guarded.h"

namespace allcores::data {
namespace {

PyInterpreterState& current() {
    return *PyThreadState_GetUnchecked()->interp;
}

// As a new code object of CPython's own gets it.
std::uint32_t next_version() {
    std::uint32_t& next = current().func_state.next_version;
    return next == 0 ? 0 : next++;
}

std::uint32_t version_of_a_new_one() {
    const ref code = checked(reinterpret_cast<PyObject*>(PyCode_NewEmpty("", "", 1)));
    return reinterpret_cast<PyCodeObject*>(code.get())->co_version;
}

// Whether fields that CPython's headers show to nobody are where the headers of our build say, by
// what CPython itself does with them.
bool fields_are_known() {
    const std::uint32_t version = version_of_a_new_one();
    if (version == 0 || current().func_state.next_version != version + 1 ||
        next_version() != version + 1 || version_of_a_new_one() != version + 2)
        return false;
    const auto before = current().active_code_watchers;
    const int watcher = PyCode_AddWatcher([](PyCodeEvent, PyCodeObject*) { return 0; });
    checked(watcher);
    const auto with = current().active_code_watchers;
    checked(PyCode_ClearWatcher(watcher));
    return with == (before | 1U << static_cast<unsigned>(watcher)) && with != before &&
           current().active_code_watchers == before;
}

}  // namespace

bool code_template::is_possible() noexcept {
#if PY_VERSION_HEX < 0x03100000
    static const bool known = [] {
        try {
            return fields_are_known();
        } catch (const python_error&) {
            PyErr_Clear();
            return false;
        }
    }();
    // Who watches the making of code objects is told by CPython only.
    return known && current().active_code_watchers == 0;
#else
    return false;
#endif
}

class code_template::maker {
 public:
    explicit maker(const code_template& its)
        : its_(its),
          values_(its.strings_.size() + its.alternatives_.size()),
          at_(its.steps_.data()) {
        lists_ = {values_.data(), its.settled_.data(), values_.data() + its.strings_.size()};
        fixed_ = {its.strings_.data(), its.settled_.data(), its.alternatives_.data()};
    }
    ~maker() {
        for (PyObject* each : made()) Py_XDECREF(each);
    }
    maker(const maker&) = delete;
    maker& operator=(const maker&) = delete;

    PyObject* run(PyObject* interned) {
        for (std::size_t i = 0; i < its_.strings_.size(); i++) {
            // Borrowed from the table. Nothing of it goes meanwhile: no Python code runs.
            values_[i] = PyDict_SetDefault(interned, its_.strings_[i], its_.strings_[i]);
            if (values_[i] == nullptr) throw python_error();
        }
        for (std::size_t i = 0; i < made().size(); i++) made()[i] = step(its_.alternatives_[i]);
        return std::exchange(made().back(), nullptr);
    }

 private:
    std::span<PyObject*> made() { return std::span(values_).subspan(its_.strings_.size()); }

    PyObject* value(place of) const {
        return lists_[of >> list_shift][of & ((place{1} << list_shift) - 1)];
    }
    bool is_the_process_own(place of) const {
        const place index = of & ((place{1} << list_shift) - 1);
        return lists_[of >> list_shift][index] == fixed_[of >> list_shift][index];
    }
    std::span<const std::uint32_t> take(std::size_t words) {
        const std::span taken(at_, words);
        at_ += words;
        return taken;
    }

    // A new reference to what the next step makes.
    PyObject* step(PyObject* alternative) {
        const std::uint32_t head = *at_++;
        const std::size_t count = head >> kind_bits;
        switch (static_cast<step_kind>(head & ((1U << kind_bits) - 1))) {
            case step_kind::tuple:
                return tuple(take(count), alternative);
            case step_kind::frozenset: {
                ref set = checked(PyFrozenSet_New(nullptr));
                for (const place each : take(count)) checked(PySet_Add(set.get(), value(each)));
                return set.release();
            }
            case step_kind::slice: {
                const auto parts = take(3);
                return checked(PySlice_New(value(parts[0]), value(parts[1]), value(parts[2])))
                    .release();
            }
            case step_kind::bytes: {
                const auto* data = reinterpret_cast<const char*>(take(words_for(count)).data());
                return checked(PyBytes_FromStringAndSize(data, static_cast<Py_ssize_t>(count)))
                    .release();
            }
            case step_kind::code:
                return code(count);
        }
        return nullptr;
    }

    PyObject* tuple(std::span<const place> items, PyObject* alternative) {
        if (alternative != nullptr &&
            std::ranges::all_of(items, [this](place each) { return is_the_process_own(each); }))
            return alternative;  // immortal
        PyObject* made = checked(PyTuple_New(static_cast<Py_ssize_t>(items.size()))).release();
        PyObject** to = items_of(made);
        for (const place each : items) *to++ = Py_NewRef(value(each));
        return made;
    }

    PyObject* code(std::size_t units) {
        auto* made = PyObject_NewVar(PyCodeObject, &PyCode_Type, static_cast<Py_ssize_t>(units));
        if (made == nullptr) throw python_error();
        auto* bytes = reinterpret_cast<char*>(made);
        std::memset(bytes + sizeof(PyVarObject), 0,
                    offsetof(PyCodeObject, co_code_adaptive) - sizeof(PyVarObject));
        const auto numbers = take(code_numbers);
        std::memcpy(bytes + code_first, numbers.data(), code_together);
        made->_co_firsttraceable = static_cast<int>(numbers.back());
        for (PyObject* PyCodeObject::* part : code_parts) made->*part = Py_NewRef(value(*at_++));
        std::memcpy(made->co_code_adaptive, take(words_for(units * unit_size)).data(),
                    units * unit_size);
        made->co_version = next_version();
        return reinterpret_cast<PyObject*>(made);
    }

    const code_template& its_;
    std::vector<PyObject*> values_;  // borrowed strings, and what was made: new references
    std::array<PyObject* const*, list_count> lists_;
    std::array<PyObject* const*, list_count> fixed_;  // what there is in the process's own
    const std::uint32_t* at_;
};

PyObject* code_template::make(PyObject* interned) const noexcept {
    try {
        return maker(*this).run(interned);
    } catch (...) {
        set_python_error();
        return nullptr;
    }
}

}  // namespace allcores::data
