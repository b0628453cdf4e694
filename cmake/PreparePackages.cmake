# Run by CPack before it packs. Manual pages are compressed, as Debian wants them, and all is as old as
# SOURCE_DATE_EPOCH says, so that two builds of one commit give the same packages, byte by byte.
file(GLOB_RECURSE pages ${CPACK_TEMPORARY_DIRECTORY}/*.1)
list(FILTER pages INCLUDE REGEX "/man/man1/")
foreach(page ${pages})
  execute_process(COMMAND gzip -9 --no-name --force ${page} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  file(GLOB_RECURSE files LIST_DIRECTORIES ON ${CPACK_TEMPORARY_DIRECTORY}/*)
  foreach(file ${files})
    execute_process(COMMAND touch --no-dereference --date=@$ENV{SOURCE_DATE_EPOCH} ${file}
                    COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
endif()
