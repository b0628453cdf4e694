// Dialogs that ask before something is done, do it, and show the server's message in place if it refuses.
import {h, setText} from './dom.js';

// True once `run()` has succeeded; false if the person thought better of it. `ready(form)` says whether it may be confirmed.
export function ask({title, body, confirm, danger, run, ready}) {
  return new Promise((resolve) => {
    const message = h('p', {class: 'form-error', role: 'alert', hidden: true});
    const yes = h('button', {type: 'submit', class: danger ? 'danger' : 'primary'}, confirm);
    const no = h('button', {type: 'button', on: {click: () => dialog.close()}}, 'Cancel');
    const form = h('form', null, h('h2', {id: 'dialog-title'}, title), body, message,
      h('div', {class: 'dialog-buttons'}, no, yes));
    const dialog = h('dialog', {'aria-labelledby': 'dialog-title'}, form);
    let done = false;
    const check = () => { yes.disabled = ready ? !ready(form) : false; };
    form.addEventListener('input', check);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      message.hidden = true;
      yes.disabled = true;
      try {
        await run(form);
        done = true;
        dialog.close();
      } catch (failure) {
        setText(message, failure.message);
        message.hidden = false;
        check();
      }
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(done);
    });
    document.body.append(dialog);
    check();
    dialog.showModal();
    (form.querySelector('input') ?? no).focus();
  });
}
