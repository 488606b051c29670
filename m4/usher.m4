# USHER_TRY_FLAG(VARIABLE, FLAG): add FLAG to VARIABLE if the compiler and linker take it.
AC_DEFUN([USHER_TRY_FLAG], [
  AS_VAR_PUSHDEF([cache], [usher_cv_flag_$2])
  AC_CACHE_CHECK([whether $CC takes $2], [cache], [
    usher_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror $2"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([cache], [yes])],
      [AS_VAR_SET([cache], [no])])
    CFLAGS=$usher_saved_CFLAGS
  ])
  AS_VAR_IF([cache], [yes], [AS_VAR_APPEND([$1], [" $2"])])
  AS_VAR_POPDEF([cache])
])

# The warnings every file is clean under, with gcc and with clang.
AC_DEFUN([USHER_WARNINGS], [
  WARNING_CFLAGS=
  m4_foreach_w([flag], [
    -Wall
    -Wextra
    -Wshadow
    -Wconversion
    -Wmissing-prototypes
    -Wstrict-prototypes
    -Wvla
    -Wundef
    -Wformat=2
    -Wimplicit-fallthrough
    -Wpointer-arith
    -Wcast-align
    -Wwrite-strings
  ], [USHER_TRY_FLAG([WARNING_CFLAGS], flag)
  ])
  AS_IF([test "x$enable_werror" = xyes], [WARNING_CFLAGS="$WARNING_CFLAGS -Werror"])
  AC_SUBST([WARNING_CFLAGS])
])

# On by default. FORTIFY needs an optimiser, and would hide what the sanitizers look for.
AC_DEFUN([USHER_HARDENING], [
  HARDENING_CFLAGS=
  HARDENING_CPPFLAGS=
  HARDENING_LDFLAGS=
  PIE_CFLAGS=
  PIE_LDFLAGS=
  USHER_TRY_FLAG([HARDENING_CFLAGS], [-fstack-protector-strong])
  USHER_TRY_FLAG([HARDENING_CFLAGS], [-fno-strict-overflow])
  USHER_TRY_FLAG([HARDENING_LDFLAGS], [-Wl,-z,relro])
  USHER_TRY_FLAG([HARDENING_LDFLAGS], [-Wl,-z,now])
  USHER_TRY_FLAG([PIE_CFLAGS], [-fPIE])
  AS_IF([test -n "$PIE_CFLAGS"], [PIE_LDFLAGS=-pie])
  AS_CASE(["$enable_sanitizers:$CPPFLAGS $CFLAGS"],
    [yes:*], [],
    [*_FORTIFY_SOURCE*], [],
    [*-O[[123s]]*], [HARDENING_CPPFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])
  AC_SUBST([HARDENING_CFLAGS])
  AC_SUBST([HARDENING_CPPFLAGS])
  AC_SUBST([HARDENING_LDFLAGS])
  AC_SUBST([PIE_CFLAGS])
  AC_SUBST([PIE_LDFLAGS])
])

AC_DEFUN([USHER_SANITIZERS], [
  SANITIZER_CFLAGS=
  AS_IF([test "x$enable_sanitizers" = xyes], [
    SANITIZER_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
  ])
  AC_SUBST([SANITIZER_CFLAGS])
])
