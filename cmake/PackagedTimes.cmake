# Run by CPack before it packs: what is packed is as old as SOURCE_DATE_EPOCH says, so that two builds
# of one commit give the same packages, byte by byte.
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  file(GLOB_RECURSE files LIST_DIRECTORIES ON ${CPACK_TEMPORARY_DIRECTORY}/*)
  foreach(file ${files})
    execute_process(COMMAND touch --no-dereference --date=@$ENV{SOURCE_DATE_EPOCH} ${file}
                    COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
endif()
