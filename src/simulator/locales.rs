//! Where the customers live: names, streets, cities, phones and currencies of twenty places.

/// A place and how people there are called and reached.
pub(super) struct Locale {
    /// BCP 47.
    pub(super) tag: &'static str,
    /// ISO 3166-1 alpha-2.
    pub(super) country: &'static str,
    /// ISO 4217.
    pub(super) currency: &'static str,
    pub(super) order: NameOrder,
    /// Given names, and the same in ASCII for e-mail addresses.
    pub(super) given: &'static [(&'static str, &'static str)],
    /// Family names, and the same in ASCII; at least two, all different.
    pub(super) family: &'static [(&'static str, &'static str)],
    /// What a company adds to a family name; `{}` stands for the name.
    pub(super) company: &'static str,
    /// Streets; `{}` stands for the house number.
    pub(super) streets: &'static [&'static str],
    /// City, postal code (`#` stands for a digit) and state or region.
    pub(super) cities: &'static [(&'static str, &'static str, &'static str)],
    /// Mobile number in E.164; `#` stands for a digit.
    pub(super) phone: &'static str,
}

/// How a full name is put together.
#[derive(Clone, Copy)]
pub(super) enum NameOrder {
    GivenFirst,
    FamilyFirst,
    /// Family name first, no space between.
    FamilyFirstTight,
}

impl Locale {
    /// A person's full name.
    pub(super) fn full_name(&self, given: &str, family: &str) -> String {
        match self.order {
            NameOrder::GivenFirst => format!("{given} {family}"),
            NameOrder::FamilyFirst => format!("{family} {given}"),
            NameOrder::FamilyFirstTight => format!("{family}{given}"),
        }
    }
}

type Name = (&'static str, &'static str);
type City = (&'static str, &'static str, &'static str);

/// `locale!(tag country currency order; given; family; company; streets; cities; phone)`, to keep the table readable.
macro_rules! locale {
    ($tag:literal $country:literal $currency:literal $order:ident; $given:expr; $family:expr; $company:literal;
     $streets:expr; $cities:expr; $phone:literal) => {{
        const GIVEN: &[Name] = &$given;
        const FAMILY: &[Name] = &$family;
        const STREETS: &[&str] = &$streets;
        const CITIES: &[City] = &$cities;
        Locale {
            tag: $tag,
            country: $country,
            currency: $currency,
            order: NameOrder::$order,
            given: GIVEN,
            family: FAMILY,
            company: $company,
            streets: STREETS,
            cities: CITIES,
            phone: $phone,
        }
    }};
}

/// All places.
#[rustfmt::skip]
pub(super) static LOCALES: &[Locale] = &[
    locale!("en-GB" "GB" "GBP" GivenFirst;
        [("Amelia", "amelia"), ("Oliver", "oliver"), ("Niamh", "niamh"), ("Seán", "sean")];
        [("Smith", "smith"), ("O'Connor", "oconnor"), ("Taylor", "taylor"), ("Fforbes-Hamilton", "fforbes.hamilton")]; "{} & Sons Ltd";
        ["{} High Street", "{}B Baker Street", "Flat 3, {} Queen's Road"];
        [("London", "SW#A #AA", "Greater London"), ("Manchester", "M# #FD", ""), ("Belfast", "BT# #GS", "Northern Ireland")]; "+4477########"),
    locale!("en-US" "US" "USD" GivenFirst;
        [("Jayden", "jayden"), ("Emma", "emma"), ("José", "jose"), ("Aaliyah", "aaliyah")];
        [("Johnson", "johnson"), ("Nguyen", "nguyen"), ("Garcia", "garcia"), ("Van der Berg", "vanderberg")]; "{} Holdings, Inc.";
        ["{} Main St", "{} Martin Luther King Jr Blvd", "{} W 42nd St Apt 7\"B\""];
        [("Springfield", "627##", "IL"), ("Austin", "787##", "TX"), ("New York", "100##", "NY")]; "+1512#######"),
    locale!("de-DE" "DE" "EUR" GivenFirst;
        [("Jürgen", "juergen"), ("Käthe", "kaethe"), ("Lukas", "lukas"), ("Frieda", "frieda")];
        [("Müller", "mueller"), ("Weiß", "weiss"), ("von der Straßen", "vonderstrassen"), ("Schröder", "schroeder")]; "{} GmbH & Co. KG";
        ["Hauptstraße {}", "Königsallee {}", "Am Bäckergäßchen {}a"];
        [("München", "80###", "Bayern"), ("Köln", "50###", "Nordrhein-Westfalen"), ("Berlin", "10###", "Berlin")]; "+49151########"),
    locale!("de-CH" "CH" "CHF" GivenFirst;
        [("Reto", "reto"), ("Ursina", "ursina"), ("Beat", "beat"), ("Noëlle", "noelle")];
        [("Zürcher", "zuercher"), ("Bünzli", "buenzli"), ("Ammann", "ammann")]; "{} AG";
        ["Bahnhofstrasse {}", "Langstrasse {}", "Rue du Rhône {}"];
        [("Zürich", "80##", "ZH"), ("Genève", "12##", "GE"), ("Chur", "70##", "GR")]; "+4179#######"),
    locale!("fr-FR" "FR" "EUR" GivenFirst;
        [("Zoé", "zoe"), ("François", "francois"), ("Maëlys", "maelys"), ("Jean-Noël", "jean-noel")];
        [("Lefèvre", "lefevre"), ("D'Aubigné", "daubigne"), ("Müntz", "muntz"), ("Garçon", "garcon")]; "Établissements {} SARL";
        ["{} rue de l'Église", "{} bis, avenue Victor-Hugo", "{} cours Mirabeau"];
        [("Paris", "750##", "Île-de-France"), ("Besançon", "250##", "Bourgogne-Franche-Comté"), ("L'Haÿ-les-Roses", "94240", "")]; "+336########"),
    locale!("fr-CA" "CA" "CAD" GivenFirst;
        [("Océane", "oceane"), ("Étienne", "etienne"), ("Mégane", "megane")];
        [("Tremblay", "tremblay"), ("Côté", "cote"), ("Gagné", "gagne")]; "{} et Fils inc.";
        ["{} rue Sainte-Catherine O", "{} chemin de la Côte-des-Neiges"];
        [("Montréal", "H#Y #C6", "QC"), ("Trois-Rivières", "G#A #B2", "QC")]; "+1514#######"),
    locale!("sv-SE" "SE" "SEK" GivenFirst;
        [("Åsa", "asa"), ("Örjan", "orjan"), ("Märta", "marta"), ("Göran", "goran")];
        [("Sjöström", "sjostrom"), ("Åkerlund", "akerlund"), ("Lindqvist", "lindqvist"), ("Öberg", "oberg")]; "{} & Co AB";
        ["Storgatan {}", "Älvsborgsvägen {}", "Sankt Eriksgatan {} lgh 1102"];
        [("Göteborg", "41# ##", "Västra Götaland"), ("Malmö", "21# ##", "Skåne"), ("Växjö", "35# ##", "Kronoberg")]; "+4670#######"),
    locale!("da-DK" "DK" "DKK" GivenFirst;
        [("Søren", "soren"), ("Bjørk", "bjork"), ("Åge", "aage")];
        [("Kjærgaard", "kjaergaard"), ("Nørgård", "norgaard"), ("Østergaard", "ostergaard")]; "{} ApS";
        ["Nørrebrogade {}, 2. tv", "Strandvejen {}"];
        [("København Ø", "21##", "Hovedstaden"), ("Ærøskøbing", "5970", "Syddanmark")]; "+4520######"),
    locale!("fi-FI" "FI" "EUR" GivenFirst;
        [("Päivi", "paivi"), ("Väinö", "vaino"), ("Eetu", "eetu")];
        [("Hämäläinen", "hamalainen"), ("Mäkelä", "makela"), ("Lehtinen", "lehtinen")]; "{} Oy";
        ["Mannerheimintie {} A 4", "Itäinen Pitkäkatu {}"];
        [("Helsinki", "00###", "Uusimaa"), ("Jyväskylä", "40###", "Keski-Suomi")]; "+35840#######"),
    locale!("pl-PL" "PL" "PLN" GivenFirst;
        [("Łukasz", "lukasz"), ("Małgorzata", "malgorzata"), ("Żaneta", "zaneta"), ("Święto", "swieto")];
        [("Wójcik", "wojcik"), ("Śliwińska", "sliwinska"), ("Źdźbło", "zdzblo"), ("Brzęczyszczykiewicz", "brzeczyszczykiewicz")]; "{} Sp. z o.o.";
        ["ul. Świętokrzyska {}/12", "al. Jana Pawła II {}", "os. Złotej Jesieni {}"];
        [("Łódź", "90-###", "łódzkie"), ("Kraków", "31-###", "małopolskie"), ("Gdańsk", "80-###", "pomorskie")]; "+48601######"),
    locale!("cs-CZ" "CZ" "CZK" GivenFirst;
        [("Jiří", "jiri"), ("Božena", "bozena"), ("Řehoř", "rehor")];
        [("Dvořáková", "dvorakova"), ("Němec", "nemec"), ("Šťastný", "stastny")]; "{} s.r.o.";
        ["Příčná {}", "náměstí Míru {}/7"];
        [("Plzeň", "301 ##", "Plzeňský kraj"), ("Ústí nad Labem", "400 ##", "")]; "+420603######"),
    locale!("hu-HU" "HU" "HUF" FamilyFirst;
        [("Győző", "gyozo"), ("Zsófia", "zsofia"), ("Ödön", "odon")];
        [("Szűcs", "szucs"), ("Kőműves", "komuves"), ("Nagy", "nagy")]; "{} és Társa Kft.";
        ["Fő utca {}.", "Üllői út {}. III/2."];
        [("Győr", "902#", "Győr-Moson-Sopron"), ("Hódmezővásárhely", "6800", "Csongrád-Csanád")]; "+3630#######"),
    locale!("es-MX" "MX" "MXN" GivenFirst;
        [("Iñaki", "inaki"), ("María José", "mariajose"), ("Ángel", "angel")];
        [("Núñez Ibarra", "nunez"), ("Peña", "pena"), ("Güemes", "guemes")]; "{} y Asociados, S.A. de C.V.";
        ["Av. Insurgentes Sur {}", "Calle 5 de Mayo N.º {}, Col. Centro"];
        [("Ciudad de México", "06###", "CDMX"), ("Mérida", "97###", "Yuc.")]; "+5255########"),
    locale!("pt-BR" "BR" "BRL" GivenFirst;
        [("João", "joao"), ("Conceição", "conceicao"), ("Luís", "luis")];
        [("Magalhães", "magalhaes"), ("dos Santos", "dossantos"), ("Araújo", "araujo")]; "{} Comércio Ltda.";
        ["Av. Paulista, {} – cj. 11", "Rua São João, {}"];
        [("São Paulo", "01###-###", "SP"), ("Brasília", "70###-###", "DF")]; "+55119########"),
    locale!("tr-TR" "TR" "TRY" GivenFirst;
        [("İpek", "ipek"), ("Çağrı", "cagri"), ("Işık", "isik")];
        [("Yılmaz", "yilmaz"), ("Öztürk", "ozturk"), ("Şahin", "sahin")]; "{} A.Ş.";
        ["İstiklal Caddesi No: {}", "Bağdat Cad. {}/3"];
        [("İstanbul", "34###", "Beyoğlu"), ("Diyarbakır", "21###", "")]; "+90532#######"),
    locale!("el-GR" "GR" "EUR" GivenFirst;
        [("Γιώργος", "giorgos"), ("Ελένη", "eleni"), ("Ιωάννης", "ioannis")];
        [("Παπαδόπουλος", "papadopoulos"), ("Οικονόμου", "oikonomou"), ("Βλάχος", "vlachos")]; "{} Α.Ε.";
        ["Λεωφόρος Συγγρού {}", "Πλατεία Αριστοτέλους {}"];
        [("Αθήνα", "11# ##", "Αττική"), ("Θεσσαλονίκη", "54# ##", "")]; "+3069########"),
    locale!("uk-UA" "UA" "UAH" GivenFirst;
        [("Олена", "olena"), ("Ґжегож", "gzhegozh"), ("Юрій", "yurii")];
        [("Шевченко", "shevchenko"), ("Щербак", "shcherbak"), ("Мар'яненко", "marianenko")]; "ТОВ «{}»";
        ["вул. Хрещатик, {}", "просп. Перемоги, {}, кв. 5"];
        [("Київ", "010##", ""), ("Львів", "790##", "Львівська область")]; "+38067#######"),
    locale!("ar-AE" "AE" "AED" GivenFirst;
        [("محمد", "mohammed"), ("فاطمة", "fatima"), ("يوسف", "yousef")];
        [("الهاشمي", "alhashimi"), ("بن راشد", "binrashid"), ("المنصوري", "almansoori")]; "شركة {} ذ.م.م";
        ["شارع الشيخ زايد {}", "شارع الكورنيش {}"];
        [("دبي", "", "دبي"), ("أبو ظبي", "", "أبو ظبي")]; "+97150#######"),
    locale!("ja-JP" "JP" "JPY" FamilyFirst;
        [("太郎", "taro"), ("花子", "hanako"), ("さくら", "sakura"), ("翔太", "shota")];
        [("山田", "yamada"), ("佐藤", "sato"), ("渡邉", "watanabe"), ("𠮷野", "yoshino")]; "{}株式会社";
        ["丸の内{}-1-2", "祇園町南側{}番地"];
        [("千代田区", "100-00##", "東京都"), ("京都市東山区", "605-00##", "京都府")]; "+8190########"),
    locale!("ko-KR" "KR" "KRW" FamilyFirstTight;
        [("민수", "minsu"), ("지우", "jiwoo"), ("서연", "seoyeon")];
        [("김", "kim"), ("이", "lee"), ("박", "park")]; "주식회사 {}";
        ["세종대로 {}", "해운대로 {}번길 8"];
        [("서울특별시", "04###", "중구"), ("부산광역시", "48###", "해운대구")]; "+8210########"),
];
