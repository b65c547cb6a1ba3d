// A library whose blocks cross the border between its own memory and the C library's.
#include <Python.h>
#include <argz.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cstdint>
#include <new>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

extern "C" {

void* take_from_other(std::size_t size);
void give_to_other(void* block);
void* grow_in_other(void* block, std::size_t size);

// How many of the ways of allocating give memory of this size that holds it and comes back.
int ways(std::size_t size) {
    int right = 0;
    void* found[16];
    int count = 0;
    found[count++] = malloc(size);
    found[count++] = calloc(1, size);
    found[count++] = realloc(nullptr, size);
    found[count++] = reallocarray(nullptr, 1, size);
    found[count++] = aligned_alloc(64, (size + 63) / 64 * 64);
    found[count++] = memalign(256, size);
    if (posix_memalign(&found[count], 4096, size) == 0) count++;
    found[count++] = PyMem_RawMalloc(size);
    found[count++] = PyMem_RawCalloc(1, size);
    for (int i = 0; i < count; i++) {
        const auto address = reinterpret_cast<std::uintptr_t>(found[i]);
        const std::size_t alignment = i == 4 ? 64 : i == 5 ? 256 : i == 6 ? 4096 : 16;
        if (found[i] == nullptr || address % alignment != 0) continue;
        bool zero = true;
        if (i == 1 || i == 8)
            for (std::size_t k = 0; k < size; k++)
                zero = zero && static_cast<unsigned char*>(found[i])[k] == 0;
        memset(found[i], 0xAA, size);
        if (zero && (i >= 7 || malloc_usable_size(found[i]) >= size)) right++;
    }
    for (int i = 0; i < count; i++) free(found[i]);
    char* one = new char[size];
    memset(one, 1, size);
    delete[] one;
    struct alignas(128) wide {
        char bytes[128];
    };
    auto* aligned = new wide;
    if (reinterpret_cast<std::uintptr_t>(aligned) % 128 == 0) right++;
    delete aligned;
    return right;
}

// A block that becomes larger and smaller, in here, in Python and in another library. What it holds
// must stay.
int growing() {
    std::size_t size = 1;
    auto* block = static_cast<unsigned char*>(malloc(size));
    block[0] = 0;
    for (int step = 0; step < 60; step++) {
        const std::size_t wanted = step < 30 ? size + 1 + size / 2 : size - size / 3;
        void* now = nullptr;
        switch (step % 4) {
            case 0:
                now = realloc(block, wanted);
                break;
            case 1:
                now = grow_in_other(block, wanted);
                break;
            case 2:
                now = PyMem_RawRealloc(block, wanted);
                break;
            default:
                now = reallocarray(block, wanted, 1);
                break;
        }
        if (now == nullptr) return -1;
        block = static_cast<unsigned char*>(now);
        for (std::size_t i = 0; i < (wanted < size ? wanted : size); i++)
            if (block[i] != i % 251) return step + 1;
        for (std::size_t i = size; i < wanted; i++) block[i] = i % 251;
        size = wanted;
    }
    free(block);
    return 0;
}

// What one side makes the other frees.
int crossing() {
    for (int i = 0; i < 1000; i++) {
        free(take_from_other(1 + i));
        give_to_other(malloc(1 + i));
        give_to_other(strdup("text"));
        PyMem_RawFree(malloc(1 + i));
        free(PyMem_RawMalloc(1 + i));
        char* text = nullptr;
        if (asprintf(&text, "%d", i) < 0) return -1;
        free(text);
        free(realpath("/", nullptr));
    }
    return 0;
}

// Strings and streams, which the C++ library makes and frees a part of.
int strings() {
    std::size_t total = 0;
    for (int i = 0; i < 300; i++) {
        std::string text(i, 'a');
        text += std::to_string(i);
        text.insert(0, 50, 'b');
        text.reserve(2 * text.size());
        text.shrink_to_fit();
        std::ostringstream stream;
        stream << text << i << 1.5 * i;
        std::vector<std::string> many(20, stream.str());
        std::string sum;
        for (const auto& each : many) sum += each;
        total += sum.size() - 20 * stream.str().size();
        try {
            throw std::runtime_error(sum);
        } catch (const std::exception& error) {
            total += sum != error.what();
        }
        try {
            sum.at(sum.size());
            total++;
        } catch (const std::out_of_range&) {
        }
    }
    return static_cast<int>(total);
}

// The C library makes a line longer, and a list.
int lines() {
    char* line = static_cast<char*>(malloc(2));
    std::size_t size = 2;
    FILE* file = tmpfile();
    char buffer[16];
    setvbuf(file, buffer, _IOFBF, sizeof buffer);
    for (int i = 0; i < 500; i++) fprintf(file, "%*d\n", i, 7);
    rewind(file);
    int right = 0;
    while (getline(&line, &size, file) > 0)
        right += strlen(line) >= 2 && line[strlen(line) - 2] == '7';
    fclose(file);
    free(line);
    char* list = static_cast<char*>(malloc(4));
    memcpy(list, "abc", 4);
    std::size_t length = 4;
    for (int i = 0; i < 100; i++) argz_add(&list, &length, "more");
    right += static_cast<int>(argz_count(list, length));
    free(list);
    return right;
}

// It outlives the interpreter.
void environment() {
    putenv(strdup("ALLCORES_TEST_KEPT=value"));
    static char* buffer = static_cast<char*>(malloc(BUFSIZ));
    setvbuf(stdout, buffer, _IOFBF, BUFSIZ);
}

// Failures are those of the C library.
int failures() {
    int right = 0;
    volatile std::size_t most = SIZE_MAX;
    right += malloc(most) == nullptr;
    right += calloc(most, 2) == nullptr;
    right += reallocarray(nullptr, most, 2) == nullptr;
    void* block = nullptr;
    right += posix_memalign(&block, 3, 10) != 0;
    right += new (std::nothrow) char[most / 2] == nullptr;
    try {
        delete[] new char[most / 2];
    } catch (const std::bad_alloc&) {
        right++;
    }
    try {
        std::string().reserve(most / 4 * 3);
    } catch (const std::length_error&) {
        right++;
    }
    return right;
}

// Threads hand blocks on.
int threads() {
    std::vector<std::vector<void*>> made(4);
    std::vector<std::thread> all;
    for (int i = 0; i < 4; i++)
        all.emplace_back([&, i] {
            for (int k = 0; k < 5000; k++) made[i].push_back(malloc(1 + k % 500));
        });
    for (auto& each : all) each.join();
    all.clear();
    for (int i = 0; i < 4; i++)
        all.emplace_back([&, i] {
            for (void* each : made[(i + 1) % 4]) free(each);
        });
    for (auto& each : all) each.join();
    return 0;
}

// What is never freed: in the heap's blocks, in malloc's, in locks of Python's.
void leave_behind(int count) {
    for (int i = 0; i < count; i++) {
        memset(malloc(40 + i % 400), 1, 40);
        new std::string(100, 'a');
        strdup("text");
        PyMem_RawMalloc(i % 100);
        PyMem_Malloc(0);
        if (i % 100 == 0) PyThread_allocate_lock();
    }
}
}
