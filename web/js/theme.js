// Sets the theme that was chosen before anything is drawn, so that no page flashes in the other one. A classic script for that
// reason: modules run late.
'use strict';
try {
  const theme = localStorage.getItem('halving.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch { /* No storage: the system's theme it is. */ }
