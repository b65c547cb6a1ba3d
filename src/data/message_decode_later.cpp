// Dicts and sets whose keys are hashed anew. Where that runs Python code they get their content
// when all else of the message is there: the hash of a tuple that is part of a cycle needs all of
// its elements, and a class's own __hash__ the attributes of its object.
#include <unordered_map>
#include <unordered_set>

#include "data/message_decoder.h"

namespace allcores::data {

void decoder::insert(frame& done) {
    const std::ptrdiff_t slots = done.end - done.first;
    if (done.what == sort::dict_pairs) {
        for (PyObject** each = done.first; each != done.end; each += 2)
            checked(PyDict_SetItem(done.made, each[0], each[1]));
    } else if (done.flag != 0 && body_->runs_code) {
        fill_frozenset(done);
    } else {
        for (PyObject** each = done.first; each != done.end; each++)
            checked(PySet_Add(done.made, *each));
    }
    if (body_->runs_code) return;
    // A key that was dropped for an equal one might be met again.
    const Py_ssize_t there =
        done.what == sort::dict_pairs ? 2 * PyDict_GET_SIZE(done.made) : PySet_GET_SIZE(done.made);
    if (there == slots) return;
    PyErr_SetString(PyExc_SystemError, "allcores: a message with equal keys");
    throw python_error();
}

// CPython adds to a frozenset only what nobody else refers to, and who is in a cycle with it does.
// So a set is made, and its table goes over.
void decoder::fill_frozenset(frame& done) {
    ref filled = checked(PySet_New(nullptr));
    for (PyObject** each = done.first; each != done.end; each++)
        checked(PySet_Add(filled.get(), *each));
    auto* from = reinterpret_cast<PySetObject*>(filled.get());
    auto* to = reinterpret_cast<PySetObject*>(done.made);
    if (from->table == from->smalltable) {
        std::memcpy(to->smalltable, from->smalltable, sizeof to->smalltable);
        std::memset(from->smalltable, 0, sizeof from->smalltable);
    } else {
        to->table = from->table;
    }
    to->mask = from->mask;
    to->fill = from->fill;
    to->used = from->used;
    to->hash = -1;
    from->table = from->smalltable;
    from->mask = PySet_MINSIZE - 1;
    from->fill = from->used = 0;
}

// In the order in which they were written, so that what is in a key has its own content before; but
// in a cycle a frozenset may be met before it, and its hash needs its content.
void decoder::insert_later() {
    enum class state : std::uint8_t { waits, begun, done };
    std::vector<state> states(later_.size(), state::waits);
    std::unordered_map<PyObject*, std::size_t> frozensets;
    for (std::size_t i = 0; i < later_.size(); i++) {
        if (later_[i].what == sort::set_items && later_[i].flag != 0)
            frozensets.emplace(later_[i].made, i);
    }
    std::vector<std::size_t> next;
    // Those that are hashed with the keys of a frame.
    const auto push_needed = [&](const frame& of) {
        const std::ptrdiff_t step = of.what == sort::dict_pairs ? 2 : 1;
        std::vector<PyObject*> looked_at;
        std::unordered_set<PyObject*> met;
        for (PyObject** each = of.first; each != of.end; each += step) looked_at.push_back(*each);
        while (!looked_at.empty()) {
            PyObject* key = looked_at.back();
            looked_at.pop_back();
            if (PyTuple_Check(key)) {
                if (is_settled(key) || !met.insert(key).second) continue;
                for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); i++)
                    looked_at.push_back(PyTuple_GET_ITEM(key, i));
            } else if (PyFrozenSet_CheckExact(key)) {
                const auto found = frozensets.find(key);
                if (found != frozensets.end() && states[found->second] == state::waits)
                    next.push_back(found->second);
            }
        }
    };
    for (std::size_t i = 0; i < later_.size(); i++) {
        next.push_back(i);
        while (!next.empty()) {
            const std::size_t here = next.back();
            if (states[here] == state::waits && !frozensets.empty()) {
                states[here] = state::begun;
                push_needed(later_[here]);
                continue;
            }
            next.pop_back();
            if (states[here] == state::done) continue;
            states[here] = state::done;
            insert(later_[here]);
            release(later_[here]);
        }
    }
    later_.clear();
}

}  // namespace allcores::data
