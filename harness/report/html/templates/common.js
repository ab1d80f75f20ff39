'use strict';
// Moments are shown in the reader's time zone; without this script, in UTC.
for (const element of document.querySelectorAll('time')) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) continue;
  element.title = element.textContent;
  element.textContent = moment.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
