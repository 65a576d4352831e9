## Главный экран

home-tagline = Видеть и слышать друзей. Без регистрации.
home-name = Ваше имя
home-name-hint = Его увидят собеседники
home-start = Начать звонок
home-start-hint = Вы получите ссылку для друга
home-join-label = Есть ссылка?
home-join-hint = Вставьте её сюда
home-join = Войти
home-test-call = Пробный звонок
home-test-call-hint = Услышать и увидеть себя по настоящей связи
home-language = Язык
home-theme = Оформление
theme-system = Как в системе
theme-light = Светлое
theme-dark = Тёмное
language-system = Как в системе

## Перед звонком

lobby-title-host = Готовы звонить?
lobby-title-join = Готовы войти?
lobby-start = Начать звонок
lobby-join = Войти в звонок
lobby-starting = Одну секунду…
lobby-preview = Ваше изображение, как в зеркале
lobby-camera-off = Ваша камера выключена
lobby-camera-starting = Камера включается…
lobby-camera-none = Камера не даёт изображения
lobby-camera = Камера
lobby-microphone = Микрофон
lobby-speaker = Динамик
lobby-level = Громкость вашего микрофона
lobby-look-again = Искать устройства снова
device-best-camera = Лучшая из имеющихся камер
device-default = Системное устройство
device-none-camera = Без камеры
device-none-microphone = Без микрофона
device-test-picture = Тестовая картинка
device-test-sound = Тестовый звук
device-silence = Тишина
device-mute-speaker = Без звука
device-file = Файл { $name }
device-off = Выключено
device-starting = Включается…
device-works = Работает
device-works-mode = Работает: { $mode }
camera-mode = { $width } × { $height }, { $fps } кадров в секунду

## Звонок

call-you = Вы
call-nobody-name = Гость
call-picture-of = Изображение: { $name }
call-screen-of = Экран: { $name }
call-muted = { $name }: микрофон выключен
call-camera-off = Камера выключена
call-joining = Вход в звонок…
call-waiting = Пока никого нет
call-waiting-title = Ждём собеседника
call-waiting-text = Отправьте эту ссылку. По ней попадут прямо к вам.
call-link-coming = Ссылка создаётся…
call-link = Ссылка-приглашение
call-connecting = Соединение…
call-connecting-to = Соединение с { $name }…
call-no-path-to = Путь к { $name } не найден. Пробуем снова…
call-connected = Соединено
call-connected-relay = Соединено через посредника
call-reconnecting = Связь потеряна. Ищем новый путь…
call-reconnecting-to = Связь с { $name } потеряна. Ищем новый путь…
call-server-away = Сервер не отвечает. Звонок продолжается, но новые участники пока не смогут войти.
call-server-retrying = Сервер не отвечает. Пробуем снова…
call-microphone-failed = Вас не слышно. { $why }
call-camera-failed = Вас не видно. { $why }
call-speaker-failed = Вы никого не слышите. { $why }
call-test = Пробный звонок
call-test-text = Вы видите и слышите себя так, как другие.

## Действия

action-microphone-off = Выключить микрофон
action-microphone-on = Включить микрофон
action-camera-off = Выключить камеру
action-camera-on = Включить камеру
action-copy-link = Скопировать ссылку
action-copied = Скопировано
action-hang-up = Завершить звонок
action-back = Назад
action-call-again = Позвонить снова
action-home = На главную
action-dismiss = Убрать
action-quit = Выйти

## После звонка

ended-duration = Вы были на связи { $duration }.
ended-hung-up = Звонок окончен
ended-hung-up-text = Вы завершили звонок.
ended-everyone-left = Звонок окончен
ended-everyone-left-text = Все собеседники вышли.
ended-unreachable = Не удалось дозвониться
ended-unreachable-text = Сервер не отвечает. Проверьте подключение к интернету. Если оно работает, возможно, приславший ссылку закрыл Visavis: попросите новую ссылку.
ended-wrong-server = Это не сервер Visavis, который нам понятен
ended-wrong-server-text = Вероятно, у кого-то из вас старая версия Visavis. Обновите обе и попробуйте с новой ссылкой.
ended-refused = Сервер не впустил вас
ended-refused-text = Его ответ: { $words } Попросите новую ссылку или попробуйте через минуту.
ended-peers = Путь к собеседникам не найден
ended-peers-text = Сеть или брандмауэр не пропускает прямые звонки. Попробуйте другую сеть, например раздачу с телефона.

## Неполадки устройств

problem-camera-missing = Такой камеры нет. Подключите её или выберите другую.
problem-camera-busy = Камеру использует другая программа. Закройте её и выберите камеру снова.
problem-camera-forbidden = Система не разрешает Visavis использовать камеру. Разрешите это в настройках конфиденциальности.
problem-camera-unplugged = Камера отключена. Подключите её снова или выберите другую.
problem-camera-stalled = Камера перестала передавать изображение. Отключите её и подключите снова.
problem-camera-unusable = Камера передаёт то, что Visavis не понимает. Выберите другую.
problem-camera-bad-file = Видеофайл не читается. Нужен файл .y4m.
problem-microphone-missing = Такого микрофона нет. Подключите его или выберите другой.
problem-microphone-busy = Микрофон использует другая программа. Закройте её и выберите микрофон снова.
problem-microphone-forbidden = Система не разрешает Visavis использовать микрофон. Разрешите это в настройках конфиденциальности.
problem-microphone-unplugged = Микрофон отключён. Подключите его снова или выберите другой.
problem-microphone-stalled = Микрофон перестал передавать звук. Подключите его снова или выберите другой.
problem-microphone-unusable = Микрофон передаёт то, что Visavis не понимает. Выберите другой.
problem-microphone-bad-file = Звуковой файл не читается. Нужен файл .wav.
problem-speaker-missing = Такого динамика нет. Подключите его или выберите другой.
problem-speaker-busy = Динамик использует другая программа. Закройте её и выберите динамик снова.
problem-speaker-forbidden = Система не разрешает Visavis воспроизводить звук. Разрешите это в настройках системы.
problem-speaker-unplugged = Динамик отключён. Подключите его снова или выберите другой.
problem-speaker-stalled = Динамик перестал играть. Подключите его снова или выберите другой.
problem-speaker-unusable = Динамик не принимает звук от Visavis. Выберите другой.
problem-speaker-bad-file = Звуковой файл не записывается. Проверьте папку и свободное место.

## Сообщения

notice-no-link = Вставьте ссылку от друга и нажмите «Войти».
notice-bad-link = Это не ссылка-приглашение. Скопируйте из сообщения всю ссылку, без лишнего до и после неё.
notice-damaged-link = Ссылка повреждена при пересылке. Попросите друга отправить её снова.
notice-cut-off-link = Ссылка обрезана. Скопируйте её всю, до последнего символа, или попросите друга отправить её снова.
notice-extended-link = К концу ссылки что-то добавилось. Скопируйте только ссылку или попросите друга отправить её снова.
notice-newer-link = Ссылка создана в более новой версии Visavis. Обновите свою и откройте ссылку снова.
notice-older-link = Ссылка создана в старой версии Visavis, которая больше не поддерживается. Попросите друга обновить её и отправить новую.
notice-server-failed = Не удалось открыть звонок для других: { $words } Проверьте, не мешает ли брандмауэр, и попробуйте снова.
notice-write-failed = Не удалось записать файл: { $words } Проверьте папку и свободное место.
notice-engine-busy = Visavis сейчас не отвечает. Закройте программу и откройте снова.

call-knocking = Ждём, пока вас впустят
ended-not-admitted = Вас не впустили
ended-not-admitted-text = Спросите хозяина звонка и попробуйте ссылку ещё раз.
ended-locked = Звонок закрыт
ended-locked-text = Хозяин больше никого не впускает. Попросите его открыть звонок и откройте ссылку снова.
ended-expired = Ссылка устарела
ended-expired-text = Попросите у друга новую.
