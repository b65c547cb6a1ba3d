#include "data/module_code.h"

#include "data/code_template.h"
// After CPython's internal headers:
#include <marshal.h>

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "concurrency/over_fork.h"
#include "data/content_key.h"
#include "data/guarded.h"
#include "data/marshalled_names.h"
#include "interpreter/process.h"

namespace allcores::data {
namespace {

constexpr std::size_t most_bytes = 64 << 20;

// Code that has been unmarshalled. It gets its template when it comes again and there are some
// interpreters: making one takes a quarter of an import's time, and all of them as much memory as
// one interpreter saves by them and a half.
constexpr std::size_t some_interpreters = 4;

struct known_code {
    std::unique_ptr<const code_template> made;
    bool has_none = false;  // it can't have one
};

// Process-wide and never destroyed.
struct templates {
    std::mutex mutex;  // guards all but what the templates have; held for a look at the map
    std::map<content_key, known_code> by_content;
    std::size_t bytes = 0;

    static templates& of_process() {
        static auto* all = [] {
            auto* made = new templates;
            concurrency::keep_over_fork<[]() -> std::mutex& { return of_process().mutex; }>();
            return made;
        }();
        return *all;
    }
};

bool are_there_some() {
    interpreter::process& all = interpreter::process::get();
    const std::lock_guard lock(all.mutex);
    return all.interpreters.size() >= some_interpreters;
}

// Before code is unmarshalled: enters its names, the process's, into the interpreter's table of
// interned strings, where it has none of that content. Unmarshalling makes all names immortal, and
// these would be the interpreter's own.
void enter_names(std::string_view marshalled, PyObject* interned) {
    std::vector<PyObject*> names;
    {
        constants_to_add shared;
        each_marshalled_name(marshalled,
                             [&](std::string_view text) { names.push_back(shared.name(text)); });
    }
    for (PyObject* each : names) {
        if (PyDict_SetDefault(interned, each, each) == nullptr) throw python_error();
    }
}

// The template of these bytes; or null and what they are.
const code_template* template_of(std::string_view data, PyObject* interned, ref& instead) {
    templates& all = templates::of_process();
    const content_key key = content_key::of(data);
    bool makes_one = false;
    const code_template* known = nullptr;
    {
        const std::lock_guard lock(all.mutex);
        const auto [at, is_new] = all.by_content.try_emplace(key);
        known = at->second.made.get();
        makes_one = !is_new && !at->second.has_none && all.bytes <= most_bytes;
    }
    makes_one = makes_one && are_there_some();
    if (known != nullptr) {
        // (Unmarshalling asks by itself.)
        checked(
            PySys_Audit("marshal.loads", "y#", data.data(), static_cast<Py_ssize_t>(data.size())));
        return known;
    }
    if (makes_one) enter_names(data, interned);
    instead =
        checked(PyMarshal_ReadObjectFromString(data.data(), static_cast<Py_ssize_t>(data.size())));
    if (!makes_one) return nullptr;
    try {
        auto made = std::make_unique<code_template>();
        if (!made->take(instead.get())) made.reset();
        const code_template* found = nullptr;
        {
            const std::lock_guard lock(all.mutex);
            known_code& now = all.by_content[key];
            now.has_none = made == nullptr;
            if (made != nullptr && now.made == nullptr) {
                all.bytes += made->bytes();
                now.made = std::move(made);
            }
            found = now.made.get();
        }
        if (found != nullptr) instead = nullptr;
        return found;
    } catch (const std::bad_alloc&) {
        return nullptr;  // it may do with what there is
    }
}

}  // namespace

void prepare_module_code() {
    templates::of_process();
    shared_constants::of_process();
}

PyObject* interned_strings() noexcept {
    if (!code_template::is_possible()) return nullptr;
    struct search {
        PyObject* mark;
        PyObject* found;
    } its{PyUnicode_InternFromString("allcores: which dict has this?"), nullptr};
    if (its.mark == nullptr) return nullptr;
    PyUnstable_GC_VisitObjects(
        [](PyObject* object, void* argument) {
            auto* wanted = static_cast<search*>(argument);
            // Only a dict of strings finds its key without asking anybody, and there are no others
            // of that size yet.
            if (!PyDict_CheckExact(object) || PyDict_GET_SIZE(object) < 1000 ||
                !DK_IS_UNICODE(reinterpret_cast<PyDictObject*>(object)->ma_keys) ||
                PyDict_GetItemWithError(object, wanted->mark) != wanted->mark)
                return 1;
            wanted->found = Py_NewRef(object);
            return 0;
        },
        &its);
    Py_DECREF(its.mark);
    return its.found;
}

PyObject* load_module_code(std::string_view data, PyObject* interned) noexcept {
    if (!code_template::is_possible()) return nullptr;
    return guarded([&] {
        ref instead;
        const code_template* found = template_of(data, interned, instead);
        return found == nullptr ? std::move(instead) : checked(found->make(interned));
    });
}

}  // namespace allcores::data
