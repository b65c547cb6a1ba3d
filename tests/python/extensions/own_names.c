// A library with functions that have names of the C library's, and, with USER, one that calls them.
#ifdef USER
char* crypt(const char* password, const char* setting);
int call_crypt(void) {
    return crypt("", "") == 0 ? 0 : 4711;
}
#else
char* crypt(const char* password, const char* setting) {
    return (char*)password;
}

int optind = 4711;
int call_optind(void) {
    return optind;
}
void set_optind(int value) {
    optind = value;
}
#endif
