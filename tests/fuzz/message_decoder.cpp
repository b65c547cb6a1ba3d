// Messages between two interpreters, of whatever bytes. An input is one of two things:
//
// - A program that builds a graph (messages/graphs.py). It is written, what was written is checked
//   (messages/check.h), read in a second interpreter, written there, read in the first one, and has
//   to be the same graph, with all that is shared and all cycles. And once more as the last that
//   refers to it, so that its memory changes hands.
// - The number of a message and changes to its bytes. What the check lets pass has to be read
//   without harm, whole or with an exception, and what came of it must bear being used.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "messages/check.h"
// After CPython's internal headers:
#include "data/handed_memory.h"

namespace {

namespace data = allcores::data;
using allcores::fuzz::message_check;
using data::checked;
using data::message;
using data::ref;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool has_asan = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool has_asan = true;
#else
constexpr bool has_asan = false;
#endif
#else
constexpr bool has_asan = false;
#endif

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "%s\n", what);
    if (PyErr_Occurred()) PyErr_Print();
    std::abort();
}

// A message is this and no more.
message::body& body_of(message& one) {
    static_assert(sizeof(message) == sizeof(message::body*));
    return **reinterpret_cast<message::body**>(&one);
}

// The Python side, in one interpreter.
struct side {
    PyThreadState* thread;
    PyObject *graphs, *build, *difference, *use, *describe, *collect;

    void import() {
        thread = PyThreadState_Get();
        PyObject* path = PySys_GetObject("path");
        ref folder = checked(PyUnicode_FromString(ALLCORES_FUZZ_FOLDER));
        checked(PyList_Insert(path, 0, folder.get()));
        graphs = checked(PyImport_ImportModule("graphs")).release();
        const auto get = [&](const char* name) {
            return checked(PyObject_GetAttrString(graphs, name)).release();
        };
        build = get("build");
        difference = get("difference");
        use = get("use");
        describe = get("describe");
        ref gc = checked(PyImport_ImportModule("gc"));
        collect = checked(PyObject_GetAttrString(gc.get(), "collect")).release();
    }
};

class harness {
 public:
    harness() {
        PyPreConfig early;
        PyPreConfig_InitIsolatedConfig(&early);
        // So that AddressSanitizer sees every object. (Without it, memory changes hands.)
        early.allocator = has_asan ? PYMEM_ALLOCATOR_MALLOC : PYMEM_ALLOCATOR_DEFAULT;
        if (PyStatus_Exception(Py_PreInitialize(&early))) fail("no Python");
        PyConfig config;
        PyConfig_InitIsolatedConfig(&config);
        config.write_bytecode = 0;
        if (PyStatus_Exception(Py_InitializeFromConfig(&config))) fail("no Python");
        PyConfig_Clear(&config);
        data::look_at_allocator();
        try {
            first_.import();
            PyInterpreterConfig isolated = {.use_main_obmalloc = 0,
                                            .allow_fork = 0,
                                            .allow_exec = 0,
                                            .allow_threads = 1,
                                            .allow_daemon_threads = 0,
                                            .check_multi_interp_extensions = 1,
                                            .gil = PyInterpreterConfig_OWN_GIL};
            PyThreadState* made = nullptr;
            if (PyStatus_Exception(Py_NewInterpreterFromConfig(&made, &isolated)))
                fail("no second interpreter");
            second_.import();
            PyThreadState_Swap(first_.thread);
            seeds_ = checked(PyObject_CallMethod(first_.graphs, "seeds", nullptr)).release();
            for (Py_ssize_t i = 0; i < PyList_GET_SIZE(seeds_); i++) {
                PyObject* seed = PyList_GET_ITEM(seeds_, i);
                message one = message::encode(seed);
                require_accepted(one);
                texts_.push_back(text_of(one));
                require_same(seed, through_both(std::move(one)));
            }
        } catch (...) {
            fail("set-up");
        }
    }

    // The written bytes; seeds are small enough for one chunk.
    static std::vector<char> text_of(message& one) {
        message::body& body = body_of(one);
        const char* text = body.small_bytes();
        if (body.chunks != nullptr) {
            if (body.chunks->next != nullptr) fail("a seed that is too large");
            text = body.chunks->bytes();
        }
        return {text, text + body.bytes};
    }

    void graph(const std::uint8_t* bytes, std::size_t size) {
        ref program = checked(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes),
                                                        static_cast<Py_ssize_t>(size)));
        const ref value = checked(PyObject_CallOneArg(first_.build, program.get()));
        require_same(value.get(), through_both(message::encode(value.get())));
        ref again = checked(PyObject_CallOneArg(first_.build, program.get()));
        require_same(value.get(), through_both(message::encode_last(std::move(again))));
    }

    void changed(const std::uint8_t* bytes, std::size_t size) {
        const std::uint8_t* const end = bytes + size;
        const auto byte = [&]() -> std::uint8_t { return bytes != end ? *bytes++ : 0; };
        const std::uint8_t flags = byte();
        const std::size_t seed = byte() % texts_.size();
        message one = message::encode(PyList_GET_ITEM(seeds_, static_cast<Py_ssize_t>(seed)));
        message::body& body = body_of(one);
        std::vector<char> text = texts_[seed];
        std::size_t split = 0;
        while (bytes != end) change(text, split, byte);
        body.runs_code = body.runs_code != ((flags & 1) != 0);
        body.needs = ~0U;
        std::vector<std::span<char>> pieces{text};
        if (split != 0 && split < text.size()) {
            pieces = {std::span(text).first(split), std::span(text).subspan(split)};
        }
        const std::vector<PyTypeObject*> classes = classes_of(body);
        message_check check(body, classes, settled_, false);
        if (!check.run(pieces)) return;
        allcores::memory::give_message_chunks(body.chunks);
        body.chunks = nullptr;
        allcores::memory::message_chunk** last = &body.chunks;
        for (const std::span<char> piece : pieces) {
            // Of this size exactly, so that what is read past the end is seen.
            auto* chunk = static_cast<allcores::memory::message_chunk*>(
                std::malloc(sizeof(allcores::memory::message_chunk) + piece.size()));
            *chunk = {nullptr, piece.size()};
            std::memcpy(chunk->bytes(), piece.data(), piece.size());
            *last = chunk;
            last = &chunk->next;
        }
        // Who traces objects has CPython's constructors called, and sees all that is made.
        std::vector<PyObject*> seen;
        if ((flags & 4) != 0) PyRefTracer_SetTracer(see, &seen);
        ref made = read(one, (flags & 2) != 0);
        PyRefTracer_SetTracer(nullptr, nullptr);
        if ((flags & 4) != 0 && made && !_Py_IsImmortal(made.get()) &&
            std::ranges::find(seen, made.get()) == seen.end()) {
            fail("an object that was not traced");
        }
        if (made) {
            write_again(made.get());
            ref none = checked(PyObject_CallOneArg(first_.use, made.get()));
        }
    }

    void tidy() {
        if (++runs_ % 128 != 0) return;
        for (side* each : {&second_, &first_}) {
            PyThreadState_Swap(each->thread);
            ref none = checked(PyObject_CallNoArgs(each->collect));
        }
    }

 private:
    template <class Byte>
    void change(std::vector<char>& text, std::size_t& split, Byte& byte) {
        const std::uint8_t what = byte();
        const auto low = byte();
        const std::size_t at =
            (text.size() < 256 ? low : low | std::size_t{byte()} << 8) % (text.size() + 1);
        const auto here = text.begin() + static_cast<std::ptrdiff_t>(at);
        const auto piece_of = [&](const std::vector<char>& from) {
            const std::size_t start = byte() % from.size(), count = 1 + byte() % 40;
            return std::vector<char>(
                from.begin() + static_cast<std::ptrdiff_t>(start),
                from.begin() + static_cast<std::ptrdiff_t>(std::min(from.size(), start + count)));
        };
        switch (what % 7) {
            case 0:
                if (at < text.size()) *here = static_cast<char>(byte());
                break;
            case 1:
                text.insert(here, static_cast<char>(byte()));
                break;
            case 2:
                text.erase(here, here + std::min<std::ptrdiff_t>(1 + what / 7, text.end() - here));
                break;
            case 3:
                if (at < text.size()) *here = static_cast<char>(*here ^ 1 << (what / 7 % 8));
                break;
            case 4: {
                const std::vector<char>& from = texts_[byte() % texts_.size()];
                const std::vector<char> piece = piece_of(from);
                text.insert(here, piece.begin(), piece.end());
                break;
            }
            case 5: {
                const std::vector<char> piece = piece_of(texts_[0]);
                text.insert(here, piece.begin(), piece.end());
                break;
            }
            default:
                text.insert(here, static_cast<char>(data::tag::next_chunk));
                split = at + 1;
        }
        if (text.empty()) text.push_back(0);
    }

    static int see(PyObject* object, PyRefTracerEvent event, void* seen) {
        if (event == PyRefTracer_CREATE)
            static_cast<std::vector<PyObject*>*>(seen)->push_back(object);
        return 0;
    }

    std::vector<PyTypeObject*> classes_of(const message::body& body) {
        std::vector<PyTypeObject*> found;
        for (const data::message_class& each : body.all_extras().classes) {
            ref one = checked(PyObject_GetAttrString(first_.graphs, each.place.name.c_str()));
            found.push_back(reinterpret_cast<PyTypeObject*>(one.get()));  // (the module keeps it)
        }
        return found;
    }

    void require_accepted(message& one) {
        message::body& body = body_of(one);
        const std::vector<PyTypeObject*> classes = classes_of(body);
        std::vector<std::span<char>> pieces;
        if (body.chunks == nullptr) pieces.emplace_back(body.small_bytes(), body.bytes);
        for (auto* chunk = body.chunks; chunk != nullptr; chunk = chunk->next)
            pieces.emplace_back(chunk->bytes(), chunk->capacity);
        message_check check(body, classes, settled_, true);
        if (!check.run(pieces)) {
            std::fprintf(stderr, "refused: %s\n", check.reason().c_str());
            fail("what the encoder has written is not such as the decoder needs it");
        }
    }

    static ref read(message& one, bool keeps) {
        try {
            return ref::steal(keeps ? std::as_const(one).decode_copy() : one.decode());
        } catch (const data::python_error&) {
            if (PyErr_ExceptionMatches(PyExc_SystemError)) {
                ref raised = ref::steal(PyErr_GetRaisedException());
                ref text = checked(PyObject_Str(raised.get()));
                if (std::strstr(PyUnicode_AsUTF8(text.get()), "equal keys") == nullptr)
                    fail(PyUnicode_AsUTF8(text.get()));
            }
            PyErr_Clear();
        } catch (const std::bad_alloc&) {
        }
        return {};
    }

    void write_again(PyObject* made) {
        try {
            message again = message::encode(made);
            require_accepted(again);
        } catch (const data::python_error&) {
            PyErr_Clear();  // what is pickled needs the extension module
        }
    }

    ref through_both(message one) {
        require_accepted(one);
        PyThreadState_Swap(second_.thread);
        try {
            ref there = ref::steal(one.decode());
            one = message::encode_last(std::move(there));
        } catch (...) {
            fail("in the second interpreter");
        }
        PyThreadState_Swap(first_.thread);
        require_accepted(one);
        return ref::steal(one.decode());
    }

    void require_same(PyObject* value, const ref& copy) {
        ref differs =
            checked(PyObject_CallFunctionObjArgs(first_.difference, value, copy.get(), nullptr));
        if (PyUnicode_GET_LENGTH(differs.get()) == 0) return;
        std::fprintf(stderr, "differs: %s\n", PyUnicode_AsUTF8(differs.get()));
        for (PyObject* each : {value, copy.get()}) {
            ref text = ref::steal(PyObject_CallOneArg(first_.describe, each));
            if (text) std::fprintf(stderr, "%s\n", PyUnicode_AsUTF8(text.get()));
            PyErr_Clear();
        }
        fail("a copy that is another");
    }

    side first_{}, second_{};
    PyObject* seeds_ = nullptr;  // a list
    std::vector<std::vector<char>> texts_;
    std::vector<PyObject*> settled_;
    std::uint64_t runs_ = 0;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): AddressSanitizer's name for it.
extern "C" const char* __asan_default_options() {
    return "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=512:malloc_context_"
           "size=5";
}

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name for it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static auto& all = *new harness;  // (the interpreters go with the process)
    if (size < 2) return 0;
    try {
        if ((bytes[0] & 1) != 0) {
            all.graph(bytes + 1, size - 1);
        } else {
            all.changed(bytes + 1, size - 1);
        }
        all.tidy();
    } catch (...) {
        fail("an exception");
    }
    return 0;
}
