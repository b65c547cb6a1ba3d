// Runs a fuzz target without libFuzzer: every file of the folders or files named, and changed forms
// of them, in an order that is the same each time. Finds less than libFuzzer does, but runs with
// any compiler and sanitizer.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int changed_forms = 20000;

void run(const std::string& input) {
    // Of its own size exactly, so that a read past the end is one past the allocation.
    const std::vector<std::uint8_t> bytes(input.begin(), input.end());
    (void)LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string change(std::string text, const std::vector<std::string>& corpus,
                   std::mt19937_64& random) {
    const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
    for (std::size_t steps = 1 + below(4); steps > 0; --steps) {
        const std::size_t at = below(text.size() + 1);
        switch (below(5)) {
            case 0:  // another byte, often one that some text has
                if (at < text.size()) text[at] = static_cast<char>(below(256));
                break;
            case 1:
                text.insert(at, 1,
                            static_cast<char>(below(2) == 0 ? below(256) : 0x20 + below(95)));
                break;
            case 2:
                text.erase(at, 1 + below(4));
                break;
            case 3: {  // a piece once more
                const std::string piece = text.substr(at, 1 + below(16));
                text.insert(below(text.size() + 1), piece);
                break;
            }
            default: {  // the end of another text
                const std::string& other = corpus[below(corpus.size())];
                text = text.substr(0, at) + other.substr(below(other.size() + 1));
            }
        }
    }
    return text;
}

}  // namespace

int main(int count, char** arguments) {
    std::vector<std::string> corpus;
    for (int i = 1; i < count; ++i) {
        if (!std::filesystem::is_directory(arguments[i])) {
            corpus.push_back(read(arguments[i]));
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator(arguments[i])) {
            corpus.push_back(read(entry.path()));
        }
    }
    if (corpus.empty()) {
        std::fprintf(stderr, "usage: %s FILE_OR_FOLDER ...\n", arguments[0]);
        return 2;
    }
    std::ranges::sort(corpus);  // folders have no order of their own
    for (const std::string& text : corpus) run(text);
    std::mt19937_64 random(1);
    for (int i = 0; i < changed_forms; ++i)
        run(change(corpus[random() % corpus.size()], corpus, random));
    std::printf("%zu inputs and %d changed forms\n", corpus.size(), changed_forms);
}
