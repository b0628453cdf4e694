# Run at each build: cmake -DSOURCE=... -DOUTPUT=FILE -P BuildCommit.cmake
# Writes a C++ file with the commit of SOURCE. It is left alone when nothing changed, so that nothing
# is compiled then.
#
# HALVING_COMMIT in the environment is believed instead, where the sources come without their git
# history: a tarball, a container's build context.

set(commit unknown)
if(DEFINED ENV{HALVING_COMMIT} AND NOT "$ENV{HALVING_COMMIT}" STREQUAL "")
  set(commit "$ENV{HALVING_COMMIT}")
elseif(EXISTS ${SOURCE}/.git)
  find_program(GIT git)
  if(GIT)
    # Its own folder only: a clone inside of another one is not the other one.
    execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse HEAD
                    OUTPUT_VARIABLE head OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                    RESULT_VARIABLE failed)
    if(NOT failed)
      set(commit ${head})
      execute_process(COMMAND ${GIT} -C ${SOURCE} --no-optional-locks status --porcelain --untracked-files=no
                      OUTPUT_VARIABLE changes ERROR_QUIET)
      if(changes)
        string(APPEND commit -dirty)
      endif()
    endif()
  endif()
endif()
if(NOT commit MATCHES "^[-0-9A-Za-z._]+$")
  message(FATAL_ERROR "HALVING_COMMIT is \"${commit}\"; expected is a commit's name, of letters, "
                      "digits, dots and dashes")
endif()
set(text "// Written by cmake/BuildCommit.cmake.
#include \"common/build_info.h\"

namespace halving {

absl::string_view BuildCommit() { return \"${commit}\"; }

}  // namespace halving
")
set(old "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUTPUT} "${text}")
endif()
