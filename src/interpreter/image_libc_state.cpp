// Each function has one argument more than the C library's, the owner: image_libc_entries.S.
#include "interpreter/image_libc_state.h"

#include <cmath>
#include <cstring>

#include "interpreter/image_libc.h"
#include "interpreter/image_owner.h"

namespace allcores::interpreter {
namespace {

// Written before an image knows the number, and kept for the next one that has it.
libc_state* states[image_owner::capacity];

// The sequence of rand() and random(), which is one.
template <class Use>
auto with_sequence(unsigned owner, const Use& use) noexcept {
    libc_state& own = *states[owner];
    const std::lock_guard lock(own.mutex);
    return use(own.sequence);
}

template <class Use>
auto with_sequence_48(unsigned owner, const Use& use) noexcept {
    libc_state& own = *states[owner];
    const std::lock_guard lock(own.mutex);
    return use(own.sequence_48);
}

// The next number of the owner's sequence; with `state`, of one that the caller keeps.
template <class Number>
Number draw_48(unsigned owner, int (*draw)(drand48_data*, Number*)) noexcept {
    return with_sequence_48(owner, [&](drand48_data& sequence) {
        Number number{};
        draw(&sequence, &number);
        return number;
    });
}

template <class Number>
Number draw_48(unsigned owner, int (*draw)(unsigned short*, drand48_data*, Number*),
               unsigned short* state) noexcept {
    return with_sequence_48(owner, [&](drand48_data& sequence) {
        Number number{};
        draw(state, &sequence, &number);
        return number;
    });
}

// The state that a sequence is in, as initstate() and setstate() return it.
char* state_of(const random_data& sequence) noexcept {
    return reinterpret_cast<char*>(sequence.state - 1);
}

int parse(unsigned owner, int count, char* const* words, const char* letters, const option* known,
          int* known_index, option_parser::kind how) noexcept {
    return states[owner]->options.next(count, words, letters, known, known_index, how);
}

}  // namespace

libc_state& libc_state_of(std::size_t owner) noexcept {
    static libc_state nobodys;
    return states[owner] == nullptr ? nobodys : *states[owner];
}

void begin_libc_state(std::size_t owner) {
    if (states[owner] == nullptr) states[owner] = new libc_state;
    libc_state& own = *states[owner];
    own.options = {};
    own.rest_of_tokens = nullptr;
    own.sign_of_gamma = 0;
    hdestroy_r(&own.table);
    own.table = {};
    own.sequence = {};
    initstate_r(1, own.first_numbers, sizeof own.first_numbers, &own.sequence);
    own.sequence_48 = {};
}

}  // namespace allcores::interpreter

using namespace allcores::interpreter;

extern "C" {

int allcores_getopt(int count, char* const* words, const char* letters, unsigned owner) noexcept {
    return parse(owner, count, words, letters, nullptr, nullptr, option_parser::kind::simple);
}

int allcores___posix_getopt(int count, char* const* words, const char* letters,
                            unsigned owner) noexcept {
    return parse(owner, count, words, letters, nullptr, nullptr, option_parser::kind::posix);
}

int allcores_getopt_long(int count, char* const* words, const char* letters, const option* known,
                         int* known_index, unsigned owner) noexcept {
    return parse(owner, count, words, letters, known, known_index, option_parser::kind::with_long);
}

int allcores_getopt_long_only(int count, char* const* words, const char* letters,
                              const option* known, int* known_index, unsigned owner) noexcept {
    return parse(owner, count, words, letters, known, known_index, option_parser::kind::long_only);
}

char* allcores_strtok(char* text, const char* separators, unsigned owner) noexcept {
    return strtok_r(text, separators, &states[owner]->rest_of_tokens);
}

long allcores_random(unsigned owner) noexcept {
    return with_sequence(owner, [](random_data& sequence) {
        std::int32_t number = 0;
        random_r(&sequence, &number);
        return static_cast<long>(number);
    });
}

void allcores_srandom(unsigned seed, unsigned owner) noexcept {
    with_sequence(owner, [&](random_data& sequence) { return srandom_r(seed, &sequence); });
}

int allcores_rand(unsigned owner) noexcept {
    return static_cast<int>(allcores_random(owner));
}

void allcores_srand(unsigned seed, unsigned owner) noexcept {
    allcores_srandom(seed, owner);
}

char* allcores_initstate(unsigned seed, char* state, std::size_t size, unsigned owner) noexcept {
    return with_sequence(owner, [&](random_data& sequence) {
        char* before = state_of(sequence);
        return initstate_r(seed, state, size, &sequence) == 0 ? before : nullptr;
    });
}

char* allcores_setstate(char* state, unsigned owner) noexcept {
    return with_sequence(owner, [&](random_data& sequence) {
        char* before = state_of(sequence);
        return setstate_r(state, &sequence) == 0 ? before : nullptr;
    });
}

double allcores_drand48(unsigned owner) noexcept {
    return draw_48<double>(owner, drand48_r);
}

double allcores_erand48(unsigned short* state, unsigned owner) noexcept {
    return draw_48<double>(owner, erand48_r, state);
}

long allcores_lrand48(unsigned owner) noexcept {
    return draw_48<long>(owner, lrand48_r);
}

long allcores_nrand48(unsigned short* state, unsigned owner) noexcept {
    return draw_48<long>(owner, nrand48_r, state);
}

long allcores_mrand48(unsigned owner) noexcept {
    return draw_48<long>(owner, mrand48_r);
}

long allcores_jrand48(unsigned short* state, unsigned owner) noexcept {
    return draw_48<long>(owner, jrand48_r, state);
}

void allcores_srand48(long seed, unsigned owner) noexcept {
    with_sequence_48(owner, [&](drand48_data& sequence) { return srand48_r(seed, &sequence); });
}

unsigned short* allcores_seed48(unsigned short* seed, unsigned owner) noexcept {
    return with_sequence_48(owner, [&](drand48_data& sequence) {
        seed48_r(seed, &sequence);
        return sequence.__old_x;  // as it has no other name
    });
}

void allcores_lcong48(unsigned short* parameters, unsigned owner) noexcept {
    with_sequence_48(owner,
                     [&](drand48_data& sequence) { return lcong48_r(parameters, &sequence); });
}

int allcores_hcreate(std::size_t count, unsigned owner) noexcept {
    return hcreate_r(count, &states[owner]->table);
}

ENTRY* allcores_hsearch(ENTRY item, ACTION action, unsigned owner) noexcept {
    ENTRY* found = nullptr;
    hsearch_r(item, action, &found, &states[owner]->table);
    return found;
}

void allcores_hdestroy(unsigned owner) noexcept {
    hdestroy_r(&states[owner]->table);
}

double allcores_lgamma(double x, unsigned owner) noexcept {
    return lgamma_r(x, &states[owner]->sign_of_gamma);
}

float allcores_lgammaf(float x, unsigned owner) noexcept {
    return lgammaf_r(x, &states[owner]->sign_of_gamma);
}

long double allcores_lgammal(long double x, unsigned owner) noexcept {
    return lgammal_r(x, &states[owner]->sign_of_gamma);
}
}
