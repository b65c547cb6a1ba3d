#include "http/static_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace allcores::http {
namespace {

TEST(StaticFiles, NamesOfPaths) {
    const auto name = [](std::string_view raw) {
        std::string found;
        return name_of_path(raw, found) ? found : "refused";
    };
    EXPECT_EQ(name(""), "");
    EXPECT_EQ(name("a"), "a");
    EXPECT_EQ(name("a/b/"), "a/b/");
    EXPECT_EQ(name("a%20b/%C3%A9"), "a b/\xc3\xa9");
    EXPECT_EQ(name("%ff"), "\xff");
    EXPECT_EQ(name("a..b/c."), "a..b/c.");
    EXPECT_EQ(name(".well-known/x"), ".well-known/x");
    EXPECT_EQ(name("a\\..\\b"), "a\\..\\b");
    for (std::string_view bad :
         {".",    "..",   "a/..", "a/../b", "../a",        "%2e%2e/a", "%2E",      "a/%2e%2e",
          ".%2e", "a//b", "//",   "/a",     "a%2fb",       "a%2Fb",    "%00",      "a%00.txt",
          "%",    "%2",   "%zz",  "a%2",    ".git/config", "a/.env",   "%2e%2e%2f"}) {
        EXPECT_EQ(name(bad), "refused") << bad;
    }
}

class Folder : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string name = std::filesystem::temp_directory_path() / "allcores-XXXXXX";
        ASSERT_TRUE(::mkdtemp(name.data()));
        top_ = name;
        write("outside", "secret");
        write("files/a.txt", "text of a");
        write("files/index.html", "the index");
        write("files/sub/index.html", "sub's index");
        write("files/none/b.css", "b");
        write("files/.hidden", "hidden");
        write("files/.well-known/x", "known");
        write("inner/c.txt", "inner c");
        const std::filesystem::path files = top_ / "files";
        std::filesystem::create_symlink("a.txt", files / "link");
        std::filesystem::create_symlink("../outside", files / "out");
        std::filesystem::create_symlink(top_ / "outside", files / "absolute");
        std::filesystem::create_directory_symlink("..", files / "up");
        std::filesystem::create_symlink("/proc/self/root", files / "magic");
        ASSERT_EQ(::mkfifo((files / "fifo").c_str(), 0600), 0);
    }
    void TearDown() override { std::filesystem::remove_all(top_); }

    void write(const std::filesystem::path& path, std::string_view text) {
        std::filesystem::create_directories((top_ / path).parent_path());
        std::ofstream(top_ / path) << text;
    }

    struct answered {
        bool is_own;
        int status;
        std::string location;
        std::uint64_t size;
    };
    answered ask(std::string_view path, std::string_view method = "GET",
                 std::vector<field> fields = {}) {
        const static_files all({{"/s", top_ / "files"}, {"/s/inner/", top_ / "inner"}});
        return ask_of(all, path, method, fields);
    }
    static answered ask_of(const static_files& all, std::string_view path, std::string_view method,
                           const std::vector<field>& fields) {
        const peer client;
        const request request{.method = method,
                              .target = path,
                              .path = path,
                              .query = "q",
                              .method_number = 1,
                              .headers = fields,
                              .major = 1,
                              .minor = 1,
                              .client = client};
        response response;
        std::string text;
        const bool is_own = all.answer(request, response, text);
        const std::string& said = response.fields();
        const std::size_t at = said.find("Location: ");
        const bool is_file = response.kind() == body_kind::file;
        return {
            is_own, response.status(),
            at == std::string::npos ? "" : said.substr(at + 10, said.find("\r\n", at) - at - 10),
            is_file ? response.plan().content_length() : 0};
    }

    std::filesystem::path top_;
};

TEST_F(Folder, WhatIsInIt) {
    EXPECT_EQ(ask("/s/a.txt").size, 9u);
    EXPECT_EQ(ask("/s/a%2Etxt").size, 9u);
    EXPECT_EQ(ask("/s/link").size, 9u);
    EXPECT_EQ(ask("/s/").size, 9u);
    EXPECT_EQ(ask("/s/sub/").size, 11u);
    EXPECT_EQ(ask("/s/up/files/a.txt").status, 404);
    EXPECT_EQ(ask("/s/.well-known/x").size, 5u);
    EXPECT_EQ(ask("/s/inner/c.txt").size, 7u);
    EXPECT_EQ(ask("/s/a.txt", "HEAD").status, 200);
    EXPECT_EQ(ask("/s/a.txt", "GET", {{"Range", "bytes=1-2"}}).status, 206);
    EXPECT_EQ(ask("/s/a.txt", "GET", {{"If-None-Match", "*"}}).status, 304);
    // Below whatever the client asked for: a proxy may have taken a prefix away.
    EXPECT_EQ(ask("/s").location, "./s/?q");
    EXPECT_EQ(ask("/s/sub").status, 301);
    EXPECT_EQ(ask("/s/sub").location, "./sub/?q");
    EXPECT_FALSE(ask("/").is_own);
    EXPECT_FALSE(ask("/sx/a.txt").is_own);
    EXPECT_FALSE(ask("*", "OPTIONS").is_own);
    EXPECT_EQ(ask("/s/a.txt", "POST").status, 405);
    EXPECT_EQ(ask("/s/a.txt", "OPTIONS").status, 405);
}

TEST_F(Folder, NoWayOut) {
    for (std::string_view bad :
         {"/s/out", "/s/absolute", "/s/up/outside", "/s/up/", "/s/magic/etc/passwd",
          "/s/../outside", "/s/%2e%2e/outside", "/s/..%2foutside", "/s//etc/passwd", "/s/.hidden",
          "/s/a.txt%00", "/s/fifo", "/s/none", "/s/none/", "/s/nothing", "/s/a.txt/",
          "/s/a.txt/b"}) {
        const answered got = ask(bad);
        EXPECT_TRUE(got.is_own) << bad;
        EXPECT_EQ(got.status, 404) << bad;
    }
    EXPECT_EQ(ask("/s/" + std::string(300, 'x')).status, 404);
}

TEST_F(Folder, UnderTheRootTheRestIsTheApplications) {
    const static_files all({{"/", top_ / "files"}});
    const auto ask = [&](std::string_view path, std::string_view method = "GET") {
        return ask_of(all, path, method, {});
    };
    EXPECT_TRUE(ask("/a.txt").is_own);
    EXPECT_TRUE(ask("/").is_own);
    EXPECT_TRUE(ask("/sub").is_own);
    EXPECT_FALSE(ask("/nothing").is_own);
    EXPECT_FALSE(ask("/out").is_own);
    EXPECT_FALSE(ask("/../outside").is_own);
    EXPECT_FALSE(ask("/a.txt", "POST").is_own);
    EXPECT_FALSE(ask("//host/").is_own);
}

TEST_F(Folder, WithoutTheNewSystemCall) {
    const int place = ::open((top_ / "files").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    ASSERT_GE(place, 0);
    unique_descriptor owner(place);
    const auto opens = [&](const char* name) {
        return bool(unique_descriptor(open_step_by_step(place, name)));
    };
    EXPECT_TRUE(opens("a.txt"));
    EXPECT_TRUE(opens("sub/index.html"));
    EXPECT_TRUE(opens("."));
    for (const char* bad : {"link", "out", "up/outside", "magic/etc/passwd", "nothing", "none/x"}) {
        EXPECT_FALSE(opens(bad)) << bad;
    }
}

TEST_F(Folder, WhatCanNotBeServed) {
    using pairs = std::vector<std::pair<std::string, std::string>>;
    EXPECT_THROW(static_files(pairs{{"s", top_}}), std::invalid_argument);
    EXPECT_THROW(static_files(pairs{{"/s", top_ / "nothing"}}), std::invalid_argument);
    EXPECT_THROW(static_files(pairs{{"/s", top_ / "outside"}}), std::invalid_argument);
}

}  // namespace
}  // namespace allcores::http
