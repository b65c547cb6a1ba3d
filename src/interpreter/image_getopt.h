// getopt() and its kin with a state of their own, as GNU's behave.
//
// The C library keeps where it is in a command line in variables of the process, and libraries that
// are run like programs (samtools under pysam) parse one for each call. Each interpreter's images
// have a parser, and its fields in place of the C library's variables (interpreter/image_libc.h).
//
// As with the C library's, a parser is used by one thread at a time.
#pragma once
#include <getopt.h>

namespace allcores::interpreter {

class option_parser {
 public:
    // The variables of <getopt.h>.
    char* argument = nullptr;  // optarg
    int index = 1;             // optind
    int print_errors = 1;      // opterr
    int unknown = '?';         // optopt

    enum class kind {
        simple,     // getopt
        posix,      // getopt, as POSIX has it: ends at the first that is no option
        with_long,  // getopt_long
        long_only,  // getopt_long_only
    };
    // As getopt_long; `known` and `known_index` may be null.
    int next(int count, char* const* words, const char* letters, const option* known,
             int* known_index, kind how) noexcept;

 private:
    enum class order { permute, stop, in_place };
    struct call {
        int count;
        char** words;
        const char* letters;  // behind what says the order
        const option* known;
        int* known_index;
        bool long_only;
        bool says_errors;
        int missing() const { return letters[0] == ':' ? ':' : '?'; }
    };
    void begin(const char* letters, kind how) noexcept;
    void move_others_back(char** words) noexcept;
    bool find_word(const call& its, int& result) noexcept;
    int next_letter(const call& its) noexcept;
    int next_long(const call& its, const char* prefix) noexcept;
    const option* find_long(const call& its, int length, const char* prefix) noexcept;

    bool begun_ = false;
    order order_ = order::permute;
    int unknown_ = 0;       // what `unknown` becomes by each call, as GNU's does
    char* rest_ = nullptr;  // of the word that is being read
    // Words that are no options and were passed by: they go behind the options that follow.
    int others_ = 1;
    int others_end_ = 1;
};

}  // namespace allcores::interpreter
